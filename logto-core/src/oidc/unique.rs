//! JSON in which no member stands twice: readers differ in which of the two they believe
//! ([RFC 7515, section 4](https://www.rfc-editor.org/rfc/rfc7515#section-4),
//! [RFC 7519, section 4](https://www.rfc-editor.org/rfc/rfc7519#section-4)).

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How the error begins.
pub(crate) const DUPLICATE_MEMBER: &str = "duplicate member";

/// Any JSON whose objects, at every level, have each member once. Holds nothing of it.
pub(crate) struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
        let mut names: Vec<Cow<'de, str>> = Vec::with_capacity(32);
        while let Some(Name(name)) = map.next_key()? {
            names.push(name);
            map.next_value::<Unique>()?;
        }
        // By their lengths first: that tells most of them apart.
        names.sort_unstable_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        match names.windows(2).any(|pair| pair[0] == pair[1]) {
            true => Err(A::Error::custom(DUPLICATE_MEMBER)),
            false => Ok(Unique),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Unique, A::Error> {
        while items.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }
}

/// A member's name, borrowed where it is written without escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn is_unique(json: &str) -> bool {
        serde_json::from_str::<Unique>(json).is_ok()
    }

    #[test]
    fn a_member_stands_once_in_its_object() {
        assert!(is_unique(
            r#"{"a":{"a":[{"a":1},{"a":-1.5}]},"b":[true,null,"a"]}"#
        ));
        for json in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"a":null}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            r#"[[{"a":1,"a":1}]]"#,
        ] {
            assert!(!is_unique(json), "{json}");
        }
    }
}
