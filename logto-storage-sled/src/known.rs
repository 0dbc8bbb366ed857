//! The value beside its record that a session is asked for again and again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use logto_core::Secret;

use crate::record::Beside;

/// What was read last of the values beside a record. Such a value never changes under its name, so that
/// who reads the name in the record knows the text without its chunks.
#[derive(Default)]
pub(crate) struct Known(Mutex<Option<Last>>);

struct Last {
    beside: Beside,
    /// `None` until it is read for a second time: most sessions are asked once in a request.
    text: Option<Secret>,
}

impl Known {
    /// The text of this value, if it is the one.
    pub(crate) fn text(&self, beside: Beside) -> Option<String> {
        let last = self.last();
        let last = last.as_ref().filter(|last| last.beside == beside)?;
        last.text.as_ref().map(|text| text.expose().to_owned())
    }

    /// Notes that this value was read.
    pub(crate) fn note(&self, beside: Beside, text: &str) {
        let mut last = self.last();
        let is_again = last.as_ref().is_some_and(|last| last.beside == beside);
        let text = is_again.then(|| Secret::from(text));
        *last = Some(Last { beside, text });
    }

    /// A panic elsewhere leaves nothing behind that is half done.
    fn last(&self) -> MutexGuard<'_, Option<Last>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use logto_core::PersistKey::AccessTokenMap;
    use logto_core::{SessionStore as _, Storage as _};

    use super::*;
    use crate::store::SledStore;

    #[test]
    fn what_is_read_twice_is_known() {
        let (one, other) = (Beside::new(b"text"), Beside::new(b"text"));
        let known = Known::default();
        known.note(one, "text");
        assert_eq!(known.text(one), None);
        known.note(one, "text");
        assert_eq!(known.text(one).as_deref(), Some("text"));
        assert_eq!(known.text(other), None, "has another name");
        known.note(other, "text");
        assert_eq!([known.text(one), known.text(other)], [None, None]);
    }
    #[test]
    fn a_known_value_is_read_no_longer_than_it_is_stored() {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path().join("sessions")).unwrap();
        let [reader, writer] = [store.default_session(), store.default_session()];
        for letter in ["a", "b"] {
            let text = letter.repeat(10_000);
            writer.set(AccessTokenMap, Some(&text)).unwrap();
            for _ in 0..3 {
                assert_eq!(reader.get(AccessTokenMap).unwrap(), Some(text.clone()));
            }
        }
        writer.set(AccessTokenMap, None).unwrap();
        assert_eq!(reader.get(AccessTokenMap).unwrap(), None);
    }
}
