//! The key of the box that was opened last.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::cipher::{BoxKey, RootKey};

/// The key of the box that was opened last, for [`Sealer::open_again`](super::Sealer::open_again): one
/// for each place that is read again and again. Empty at first.
///
/// It opens that one box and no other. Unlike an [`EncryptionKey`](super::EncryptionKey) it is in the form
/// that `ring` works with, which is not overwritten in memory when it is dropped.
#[derive(Default)]
pub struct LastBoxKey(Mutex<Option<Last>>);

struct Last {
    root: [u8; 8],
    box_salt: [u8; 32],
    key: Arc<BoxKey>,
}

impl LastBoxKey {
    /// The key of this box, derived if it is not the last one. It is then.
    pub(super) fn of(&self, root: &RootKey, box_salt: &[u8; 32]) -> Arc<BoxKey> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last.as_ref()
            && (last.root, &last.box_salt) == (root.id(), box_salt)
        {
            return Arc::clone(&last.key);
        }
        let key = Arc::new(root.box_key(box_salt));
        *last = Some(Last {
            root: root.id(),
            box_salt: *box_salt,
            key: Arc::clone(&key),
        });
        key
    }
}

impl fmt::Debug for LastBoxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LastBoxKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::{EncryptionKey, SealError, Sealer};

    #[test]
    fn a_key_is_derived_once_for_one_box() {
        let sealer = Sealer::new(EncryptionKey::from_bytes([1; 32]));
        let [one, other] = [b"one", b"two"].map(|text| sealer.seal(&[], text).unwrap());
        let last = LastBoxKey::default();
        let open = |sealed: &[u8]| {
            let opened = sealer.open_again(&last, &[], sealed.to_vec()).unwrap();
            let last = last.0.lock().unwrap();
            let key = Arc::clone(&last.as_ref().unwrap().key);
            (opened.plaintext().to_vec(), key)
        };
        let (text, key) = open(&one);
        let (text_again, key_again) = open(&one);
        assert_eq!([&text, &text_again], [b"one", b"one"]);
        assert!(Arc::ptr_eq(&key, &key_again));
        let (text, key_of_other) = open(&other);
        assert_eq!(text, b"two");
        assert!(!Arc::ptr_eq(&key, &key_of_other));
    }

    #[test]
    fn a_box_of_another_key_or_context_stays_shut() {
        let mine = Sealer::new(EncryptionKey::from_bytes([1; 32]));
        let theirs = Sealer::new(EncryptionKey::from_bytes([2; 32]));
        let sealed = mine.seal(&[b"alice"], b"a token").unwrap();
        let last = LastBoxKey::default();
        let open = |sealer: &Sealer, name: &[u8]| {
            let opened = sealer.open_again(&last, &[name], sealed.clone());
            opened.map(|opened| opened.plaintext().to_vec())
        };
        assert_eq!(open(&mine, b"alice").unwrap(), b"a token");
        assert_eq!(open(&mine, b"mallory"), Err(SealError::Corrupt));
        assert_eq!(open(&theirs, b"alice"), Err(SealError::WrongKey));
        assert_eq!(open(&mine, b"alice").unwrap(), b"a token");
    }
}
