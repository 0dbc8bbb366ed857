//! JSON in which no member stands twice: readers differ in which of the two they believe
//! ([RFC 7515, section 4](https://www.rfc-editor.org/rfc/rfc7515#section-4),
//! [RFC 7519, section 4](https://www.rfc-editor.org/rfc/rfc7519#section-4)).

use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Number, Value};

/// How the error begins.
pub(crate) const DUPLICATE_MEMBER: &str = "duplicate member";

/// The one member of the object that a number comes as, where another crate turns on serde_json's
/// feature `arbitrary_precision`.
const NUMBER: &str = "$serde_json::private::Number";

/// What is read of a token, refused where a member stands twice, at any level. A derived
/// `Deserialize` sees to its own fields; one for all others, with [`members`], and each field that
/// may hold an object, with [`value`], see to theirs.
pub(crate) trait UniqueMembers: DeserializeOwned {}

/// Any JSON.
pub(crate) fn value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    deserializer.deserialize_any(UniqueVisitor)
}

/// The members that have no field of their own.
pub(crate) fn members<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Map<String, Value>, D::Error> {
    deserializer.deserialize_map(MembersVisitor)
}

struct UniqueVisitor;

impl<'de> DeserializeSeed<'de> for UniqueVisitor {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        value(deserializer)
    }
}

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        let members = MembersVisitor.visit_map(map)?;
        Ok(match number(&members) {
            Some(number) => Value::Number(number),
            None => Value::Object(members),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(UniqueVisitor)?;
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom(DUPLICATE_MEMBER));
            }
        }
        Ok(members)
    }
}

fn number(members: &Map<String, Value>) -> Option<Number> {
    match members.len() {
        1 => members.get(NUMBER)?.as_str()?.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: &str) -> serde_json::Result<Value> {
        value(&mut serde_json::Deserializer::from_str(json))
    }

    #[test]
    fn a_member_stands_once_in_its_object() {
        let json = json!({ "a": { "a": [{ "a": 1 }, { "a": -1.5 }] }, "b": [true, null, "a"] });
        assert_eq!(read(&json.to_string()).unwrap(), json);
        for json in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"a":null}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            r#"[[{"a":1,"a":1}]]"#,
        ] {
            let error = read(json).unwrap_err().to_string();
            assert!(error.starts_with(DUPLICATE_MEMBER), "{json}: {error}");
        }
    }

    #[test]
    fn a_number_of_any_precision_is_a_number() {
        let number = json!({ NUMBER: "1.25" });
        assert_eq!(read(&number.to_string()).unwrap(), json!(1.25));
        for other in [json!({ NUMBER: "x" }), json!({ NUMBER: 1 })] {
            assert_eq!(read(&other.to_string()).unwrap(), other);
        }
    }
}
