//! See `tests/hostile/stored_session.rs`. `cargo +nightly fuzz run stored_session`
#![no_main]

use libfuzzer_sys::fuzz_target;
use logto_fuzz::hostile;

fuzz_target!(|bytes: &[u8]| hostile::stored_session::try_bytes(bytes));
