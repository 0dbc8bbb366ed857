//! See `tests/hostile/user_info.rs`. `cargo +nightly fuzz run user_info`
#![no_main]

use libfuzzer_sys::fuzz_target;
use logto_fuzz::hostile;

fuzz_target!(|bytes: &[u8]| hostile::user_info::try_bytes(bytes));
