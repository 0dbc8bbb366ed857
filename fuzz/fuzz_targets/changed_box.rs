//! A box that is changed, cut off or made longer opens for nobody; one that is not opens.
//! `cargo +nightly fuzz run changed_box`
#![no_main]

use libfuzzer_sys::fuzz_target;
use logto_core::{EncryptionKey, Sealer};

const CONTEXT: &[&[u8]] = &[b"fuzz", b"context"];

/// What is in the box, where it is cut or made longer, and bits to flip.
type Input<'a> = (&'a [u8], i16, Vec<(u16, u8)>);

fuzz_target!(|input: Input<'_>| {
    let (plaintext, longer, flips) = input;
    let sealer = Sealer::new(EncryptionKey::from_bytes([7; 32]));
    let sealed = sealer.seal(CONTEXT, plaintext).unwrap();
    let changed = change(&sealed, longer, &flips);
    match sealer.open(CONTEXT, &changed) {
        Ok(opened) => {
            assert!(changed == sealed);
            assert!(opened.plaintext() == plaintext);
        }
        Err(_) => assert!(changed != sealed),
    }
});

fn change(sealed: &[u8], longer: i16, flips: &[(u16, u8)]) -> Vec<u8> {
    let mut bytes = sealed.to_vec();
    bytes.resize(sealed.len().saturating_add_signed(longer.into()), 0);
    for (at, bits) in flips {
        if let Some(byte) = bytes.get_mut(usize::from(*at)) {
            *byte ^= bits;
        }
    }
    bytes
}
