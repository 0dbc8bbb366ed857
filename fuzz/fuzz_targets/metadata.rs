//! See `tests/hostile/metadata.rs`. `cargo +nightly fuzz run metadata`
#![no_main]

use libfuzzer_sys::fuzz_target;
use logto_fuzz::hostile;

fuzz_target!(|bytes: &[u8]| hostile::metadata::try_bytes(bytes));
