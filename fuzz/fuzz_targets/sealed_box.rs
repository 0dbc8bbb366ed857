//! Any bytes may be opened: they are refused, and nothing panics.
//! `cargo +nightly fuzz run sealed_box`
#![no_main]

use libfuzzer_sys::fuzz_target;
use logto_core::{EncryptionKey, Sealer};

fuzz_target!(|bytes: &[u8]| {
    let sealer = Sealer::new(EncryptionKey::from_bytes([7; 32]));
    assert!(sealer.open(&[b"fuzz"], bytes).is_err());

    // Behind a magic and a version that are right.
    let sealed = [&b"LogtoBox\x01"[..], bytes].concat();
    assert!(sealer.open(&[b"fuzz"], &sealed).is_err());
});
