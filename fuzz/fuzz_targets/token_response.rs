//! See `tests/hostile/token_response.rs`. `cargo +nightly fuzz run token_response`
#![no_main]

use libfuzzer_sys::fuzz_target;
use logto_fuzz::hostile;

fuzz_target!(|bytes: &[u8]| hostile::token_response::try_bytes(bytes));
