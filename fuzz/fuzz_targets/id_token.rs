//! See `tests/hostile/id_token.rs`. `cargo +nightly fuzz run id_token`
#![no_main]

use libfuzzer_sys::fuzz_target;
use logto_fuzz::hostile;

fuzz_target!(|bytes: &[u8]| hostile::id_token::try_bytes(bytes));
