//! See `tests/hostile/callback.rs`. `cargo +nightly fuzz run callback`
#![no_main]

use libfuzzer_sys::fuzz_target;
use logto_fuzz::hostile;

fuzz_target!(|bytes: &[u8]| hostile::callback::try_bytes(bytes));
