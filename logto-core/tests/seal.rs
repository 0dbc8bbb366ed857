//! The sealed box from outside: what it takes, and that nothing else opens it.

use logto_core::{
    Argon2Cost, EncryptionKey, EncryptionKeyError, SealError, Sealer, StorageError,
    StorageErrorKind, Unsealed,
};

const ALICE: &[&[u8]] = &[b"golden", b"alice", b"refreshToken"];
const BYTES: &[u8] = include_bytes!("golden/bytes.box");
const EMPTY: &[u8] = include_bytes!("golden/empty.box");
const PASSPHRASE: &[u8] = include_bytes!("golden/passphrase.box");
const PASSPHRASE_CHEAP: &[u8] = include_bytes!("golden/passphrase-cheap.box");

#[test]
fn golden_boxes_open() {
    assert_eq!(plaintext(&golden(), ALICE, BYTES), b"a refresh token");
    assert_eq!(plaintext(&golden(), &[], EMPTY), b"");
    assert_eq!(plaintext(&golden(), ALICE, PASSPHRASE), "grüße".as_bytes());
    let cheap = plaintext(&golden(), ALICE, PASSPHRASE_CHEAP);
    assert_eq!(cheap, b"a refresh token");
}

#[test]
fn what_is_sealed_opens_whatever_it_is() {
    let mut random = Random(1);
    let sealer = golden();
    for round in 0..300 {
        let plaintext = random.bytes(round * 7);
        let context: Vec<_> = (0..round % 5).map(|_| random.bytes(round % 40)).collect();
        let context: Vec<_> = context.iter().map(Vec::as_slice).collect();
        let sealed = sealer.seal(&context, &plaintext).unwrap();
        assert_eq!(sealed.len(), plaintext.len() + 86);
        let opened = sealer.open(&context, &sealed).unwrap();
        assert_eq!(opened.plaintext(), plaintext);
        assert!(opened.is_current());
        assert_eq!(opened.plaintext(), plaintext);
    }
}

#[test]
fn a_few_mebibytes_fit() {
    let large = Random(2).bytes(5 << 20);
    let sealed = golden().seal(ALICE, &large).unwrap();
    assert!(plaintext(&golden(), ALICE, &sealed) == large);
}

#[test]
fn the_same_bytes_never_give_the_same_box() {
    let [one, other] = [(); 2].map(|()| golden().seal(ALICE, b"token").unwrap());
    assert_ne!(one[18..], other[18..]);
    assert_eq!(one[..18], other[..18], "magic, version, key id and kdf");
}

#[test]
fn every_flipped_bit_is_found() {
    for (context, sealed) in [(ALICE, BYTES), (&[], EMPTY), (ALICE, PASSPHRASE_CHEAP)] {
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = golden().open(context, &flipped).unwrap_err();
            assert!(
                expected_at(bit / 8, sealed == PASSPHRASE_CHEAP).contains(&error),
                "bit {bit}: {error:?}"
            );
        }
    }
}

#[test]
fn every_truncation_is_told() {
    for (context, sealed) in [(ALICE, BYTES), (&[], EMPTY), (ALICE, PASSPHRASE)] {
        assert_eq!(refused(context, &[]), SealError::Empty);
        for length in 1..sealed.len() {
            assert_eq!(
                refused(context, &sealed[..length]),
                SealError::Truncated,
                "{length}"
            );
        }
    }
}

#[test]
fn what_is_appended_is_found() {
    let longer = [BYTES, &[0]].concat();
    assert_eq!(refused(ALICE, &longer), SealError::Corrupt);
}

#[test]
fn random_bytes_do_not_open_and_do_not_panic() {
    let mut random = Random(3);
    for round in 0..20_000 {
        let bytes = random.bytes(round % 300);
        assert!(golden().open(ALICE, &bytes).is_err());
        let start = &BYTES[..round % BYTES.len()];
        assert!(golden().open(ALICE, &[start, &bytes].concat()).is_err());
    }
}

#[test]
fn another_context_does_not_open() {
    let others: [&[&[u8]]; 8] = [
        &[],
        &[b"golden", b"mallory", b"refreshToken"],
        &[b"golden", b"alice", b"idToken"],
        &[b"golden", b"alice"],
        &[b"golden", b"alice", b"refreshToken", b""],
        &[b"golden", b"alicerefresh", b"Token"],
        &[b"alice", b"golden", b"refreshToken"],
        &[b"goldenalicerefreshToken"],
    ];
    for other in others {
        assert_eq!(refused(other, BYTES), SealError::Corrupt, "{other:?}");
    }
    assert_eq!(refused(&[b""], EMPTY), SealError::Corrupt);
}

#[test]
fn header_fields_of_another_box_do_not_fit() {
    let other = golden().seal(ALICE, b"another token..").unwrap();
    for range in [18..50, 50..62, 70..85, 85..101] {
        let mut mixed = BYTES.to_vec();
        mixed[range.clone()].copy_from_slice(&other[range.clone()]);
        assert_eq!(refused(ALICE, &mixed), SealError::Corrupt, "{range:?}");
    }
}

#[test]
fn headers_without_sense_are_told_apart() {
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = PASSPHRASE.to_vec();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        refused(ALICE, &changed)
    };
    assert_eq!(refused(ALICE, b"{\"json\":true}"), SealError::NotABox);
    assert_eq!(with(8, &[2]), SealError::NewerVersion(2));
    assert_eq!(with(8, &[0]), SealError::Corrupt);
    assert_eq!(with(17, &[3]), SealError::UnknownKdf(3));
    assert_eq!(with(17, &[0]), SealError::UnknownKdf(0));
    let absurd: [[u32; 3]; 8] = [
        [u32::MAX, 1, 1],
        [256 * 1024 + 1, 1, 1],
        [7, 1, 1],
        [19456, 0, 1],
        [19456, 17, 1],
        [19456, 2, 0],
        [19456, 2, 17],
        [19456, 2, u32::MAX],
    ];
    for cost in absurd {
        let bytes = cost.map(u32::to_be_bytes).concat();
        assert_eq!(with(18, &bytes), SealError::AbsurdCost, "{cost:?}");
    }
}

#[test]
fn another_key_is_told_from_damage() {
    let others = [
        EncryptionKey::from_bytes([1; 32]),
        passphrase("correct horse", (64, 1, 1)),
    ];
    for other in others {
        let opened = Sealer::new(other).open(ALICE, BYTES);
        assert_eq!(opened.unwrap_err(), SealError::WrongKey);
    }
    let guess = Sealer::new(passphrase("correct horses", (64, 1, 1)));
    let opened = guess.open(ALICE, PASSPHRASE_CHEAP);
    assert_eq!(opened.unwrap_err(), SealError::WrongKey);
}

#[test]
fn older_keys_open_and_are_not_current() {
    let keys = [
        EncryptionKey::from_bytes([1; 32]),
        passphrase("two", (64, 1, 1)),
        EncryptionKey::from_bytes([3; 32]),
        passphrase("four", (64, 1, 1)),
    ];
    let [first, others @ ..] = keys.clone();
    let sealer = others
        .into_iter()
        .fold(Sealer::new(first), Sealer::with_older_key);
    for (age, key) in keys.into_iter().enumerate() {
        let sealed = Sealer::new(key).seal(ALICE, b"token").unwrap();
        let opened = sealer.open(ALICE, &sealed).unwrap();
        assert_eq!(opened.plaintext(), b"token");
        assert_eq!(opened.is_current(), age == 0);
    }
    let sealed = sealer.seal(ALICE, b"token").unwrap();
    assert!(sealer.open(ALICE, &sealed).unwrap().is_current());
}

#[test]
fn keys_are_read_from_base64() {
    let parse = EncryptionKey::from_base64;
    let texts = [
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        " AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\r\n",
    ];
    for text in texts {
        let sealer = Sealer::new(parse(text).unwrap());
        assert_eq!(plaintext(&sealer, ALICE, BYTES), b"a refresh token");
    }
    assert!(parse(&"-_".repeat(21)).is_err());
    assert!(parse(&format!("{}8", "-_".repeat(21))).is_ok());
    assert!(parse(&format!("{}8=", "+/".repeat(21))).is_ok());
    let refused = |text: &str| parse(text).unwrap_err();
    assert_eq!(refused(""), EncryptionKeyError::WrongLength(0));
    assert_eq!(refused("AAEC"), EncryptionKeyError::WrongLength(3));
    assert_eq!(
        refused(&"A".repeat(44)),
        EncryptionKeyError::WrongLength(33)
    );
    assert_eq!(refused("not a key!"), EncryptionKeyError::NotBase64);
}

#[test]
fn generated_keys_can_be_read_and_differ() {
    let [one, other] = [(); 2].map(|()| EncryptionKey::generate_base64());
    assert_ne!(one, other);
    assert!(EncryptionKey::from_base64(one.expose()).is_ok());
}

#[test]
fn a_missing_passphrase_is_refused() {
    assert_eq!(
        EncryptionKey::from_passphrase("").unwrap_err(),
        EncryptionKeyError::EmptyPassphrase
    );
}

#[test]
fn each_error_is_a_storage_error_of_its_kind() {
    let kind = |error: SealError| StorageError::from(error).kind();
    assert_eq!(kind(SealError::WrongKey), StorageErrorKind::WrongKey);
    assert_eq!(
        kind(SealError::NewerVersion(9)),
        StorageErrorKind::NewerFormat
    );
    assert_eq!(kind(SealError::OutOfMemory), StorageErrorKind::Backend);
    for error in [
        SealError::Empty,
        SealError::NotABox,
        SealError::Truncated,
        SealError::UnknownKdf(7),
        SealError::AbsurdCost,
        SealError::Corrupt,
    ] {
        assert_eq!(kind(error), StorageErrorKind::Corrupt, "{error:?}");
        let storage: &dyn std::error::Error = &StorageError::from(error);
        let source = storage.source().unwrap().downcast_ref::<SealError>();
        assert_eq!(source, Some(&error));
    }
}

#[test]
fn debug_shows_no_key_and_no_plaintext() {
    let key = passphrase("hunter2", (64, 1, 1));
    let sealer = Sealer::new(key.clone());
    let sealed = sealer.seal(ALICE, b"hunter2").unwrap();
    let opened = sealer.open(ALICE, &sealed).unwrap();
    let shown = format!("{key:?} {sealer:?} {opened:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!shown.contains("104, 117"), "{shown}");
}

#[test]
fn handles_go_to_other_threads() {
    fn shared<T: Send + Sync>() {}
    fn cloned<T: Clone>() {}
    shared::<Sealer>();
    shared::<EncryptionKey>();
    shared::<Unsealed>();
    cloned::<Sealer>();
    cloned::<EncryptionKey>();
}

/// Opens every golden box.
fn golden() -> Sealer {
    let bytes = EncryptionKey::from_bytes(std::array::from_fn(|at| at as u8));
    Sealer::new(bytes).with_older_key(EncryptionKey::from_passphrase("correct horse").unwrap())
}

fn passphrase(text: &str, (memory, passes, lanes): (u32, u32, u32)) -> EncryptionKey {
    let cost = Argon2Cost::new(memory, passes, lanes).unwrap();
    EncryptionKey::from_passphrase_with(text, cost).unwrap()
}

fn plaintext(sealer: &Sealer, context: &[&[u8]], sealed: &[u8]) -> Vec<u8> {
    sealer.open(context, sealed).unwrap().plaintext().to_vec()
}

fn refused(context: &[&[u8]], sealed: &[u8]) -> SealError {
    golden().open(context, sealed).unwrap_err()
}

/// What a changed byte of a golden box may be reported as.
fn expected_at(byte: usize, passphrase: bool) -> Vec<SealError> {
    let length = if passphrase { 90..98 } else { 62..70 };
    match byte {
        0..8 => vec![SealError::NotABox],
        8 => {
            let newer = (0..8).map(|bit| SealError::NewerVersion(1 ^ (1 << bit)));
            newer.chain([SealError::Corrupt]).collect()
        }
        9..17 => vec![SealError::WrongKey],
        17 => {
            let unknown =
                (0..8).map(|bit| SealError::UnknownKdf((1 + u8::from(passphrase)) ^ (1 << bit)));
            unknown.collect()
        }
        18..30 if passphrase => vec![SealError::AbsurdCost, SealError::WrongKey],
        30..46 if passphrase => vec![SealError::WrongKey],
        byte if length.contains(&byte) => vec![SealError::Truncated, SealError::Corrupt],
        _ => vec![SealError::Corrupt],
    }
}

/// The same bytes in every run: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}
