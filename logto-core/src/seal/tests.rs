//! What only the inside can show: boxes byte for byte, and how often a passphrase is derived.

use std::thread;

use super::passphrase::argon2id;
use super::sealed_box::{Fresh, Kdf, RootKey};
use super::*;
use crate::secret::Secret;

const ALICE: &[&[u8]] = &[b"golden", b"alice", b"refreshToken"];

#[test]
fn boxes_of_a_key_are_those_of_the_written_format() {
    let root = RootKey::new(Zeroizing::new(counting_from(0)));
    assert_eq!(
        root.seal(Kdf::Hkdf, &fixed(), ALICE, b"a refresh token"),
        Ok(include_bytes!("../../tests/golden/bytes.box").to_vec())
    );
    assert_eq!(
        root.seal(Kdf::Hkdf, &fixed(), &[], b""),
        Ok(include_bytes!("../../tests/golden/empty.box").to_vec())
    );
}

#[test]
fn boxes_of_a_passphrase_are_those_of_the_written_format() {
    let boxed = |cost: Argon2Cost, plaintext: &str| {
        let salt = counting_from(0x50);
        let root = RootKey::new(argon2id(&Secret::from("correct horse"), cost, &salt).unwrap());
        let kdf = Kdf::Argon2id { cost, salt };
        root.seal(kdf, &fixed(), ALICE, plaintext.as_bytes())
    };
    assert_eq!(
        boxed(cheap(), "a refresh token"),
        Ok(include_bytes!("../../tests/golden/passphrase-cheap.box").to_vec())
    );
    assert_eq!(
        boxed(Argon2Cost::default(), "grüße"),
        Ok(include_bytes!("../../tests/golden/passphrase.box").to_vec())
    );
}

#[test]
fn a_passphrase_is_derived_once_for_all_that_one_process_does() {
    let key = passphrase("secret");
    let sealer = Sealer::new(key.clone());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let sealed = sealer.clone().seal(ALICE, b"value").unwrap();
                    sealer.open(ALICE, &sealed).unwrap();
                }
            });
        }
    });
    assert_eq!(key.derivations(), 1);
}

#[test]
fn a_restarted_process_goes_on_with_the_salt_it_finds() {
    let before = Sealer::new(passphrase("secret")).seal(&[], b"1").unwrap();
    let key = passphrase("secret");
    let sealer = Sealer::new(key.clone());
    sealer.open(&[], &before).unwrap();
    let after = sealer.seal(&[], b"2").unwrap();
    assert_eq!(salt(&after), salt(&before));
    assert_eq!(key.derivations(), 1);
}

#[test]
fn processes_that_share_a_store_come_to_share_a_salt() {
    let sealers = [(); 3].map(|()| Sealer::new(passphrase("secret")));
    let mut boxes: Vec<_> = sealers.iter().map(|s| s.seal(&[], b"").unwrap()).collect();
    let lowest = boxes.iter().map(|sealed| salt(sealed)).min().unwrap();
    for _ in 0..2 {
        for sealer in &sealers {
            for sealed in &boxes {
                sealer.open(&[], sealed).unwrap();
            }
        }
        boxes = sealers.iter().map(|s| s.seal(&[], b"").unwrap()).collect();
    }
    assert!(boxes.iter().all(|sealed| salt(sealed) == lowest));
}

#[test]
fn another_cost_is_read_and_not_taken_over() {
    let older = Argon2Cost::new(32, 2, 2).unwrap();
    let older = EncryptionKey::from_passphrase_with("secret", older).unwrap();
    let before = Sealer::new(older).seal(&[], b"1").unwrap();
    let sealer = Sealer::new(passphrase("secret"));
    assert!(!sealer.open(&[], &before).unwrap().is_current());
    let after = sealer.seal(&[], b"2").unwrap();
    assert_ne!(salt(&after), salt(&before));
    assert!(sealer.open(&[], &after).unwrap().is_current());
}

#[test]
fn hostile_salts_push_out_no_salt_that_opened_a_box() {
    let key = passphrase("secret");
    let sealer = Sealer::new(key.clone());
    let mine: Vec<_> = (0..8)
        .map(|_| Sealer::new(passphrase("secret")).seal(&[], b"").unwrap())
        .collect();
    let open_mine = || mine.iter().all(|sealed| sealer.open(&[], sealed).is_ok());
    assert!(open_mine());

    let hostile = Sealer::new(passphrase("guess")).seal(&[], b"").unwrap();
    for n in 0..50 {
        let mut hostile = hostile.clone();
        hostile[30] = n;
        assert_eq!(sealer.open(&[], &hostile).unwrap_err(), SealError::WrongKey);
    }
    assert_eq!(key.derivations(), 8 + 50);
    assert!(open_mine());
    assert_eq!(key.derivations(), 8 + 50);
}

#[test]
fn a_hostile_box_read_again_is_not_derived_again() {
    let key = passphrase("secret");
    let hostile = Sealer::new(passphrase("guess")).seal(&[], b"").unwrap();
    for _ in 0..5 {
        let opened = Sealer::new(key.clone()).open(&[], &hostile);
        assert_eq!(opened.unwrap_err(), SealError::WrongKey);
    }
    assert_eq!(key.derivations(), 1);
}

fn passphrase(text: &str) -> EncryptionKey {
    EncryptionKey::from_passphrase_with(text, cheap()).unwrap()
}

fn cheap() -> Argon2Cost {
    Argon2Cost::new(64, 1, 1).unwrap()
}

fn fixed() -> Fresh {
    Fresh {
        box_salt: counting_from(0x20),
        nonce: counting_from(0x40),
    }
}

fn counting_from<const N: usize>(first: u8) -> [u8; N] {
    std::array::from_fn(|at| first + at as u8)
}

/// The passphrase's salt in a header.
fn salt(sealed: &[u8]) -> [u8; 16] {
    sealed[30..46].try_into().unwrap()
}
