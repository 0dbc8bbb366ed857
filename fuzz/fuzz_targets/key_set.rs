//! See `tests/hostile/key_set.rs`. `cargo +nightly fuzz run key_set`
#![no_main]

use libfuzzer_sys::fuzz_target;
use logto_fuzz::hostile;

fuzz_target!(|bytes: &[u8]| hostile::key_set::try_bytes(bytes));
