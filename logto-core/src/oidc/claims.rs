//! What the claims of all tokens have in common: audiences, times, members that stand once
//! ([RFC 7515, section 4](https://www.rfc-editor.org/rfc/rfc7515#section-4),
//! [RFC 7519, section 4](https://www.rfc-editor.org/rfc/rfc7519#section-4)), and those without a field.

use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

/// The `aud` claim: whom a token is for. One name or several
/// ([RFC 7519, section 4.1.3](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.3)).
///
/// ```
/// # use logto_core as logto;
/// use logto::Audience;
///
/// let one: Audience = serde_json::from_str(r#""my-app""#)?;
/// let many: Audience = serde_json::from_str(r#"["my-app", "other"]"#)?;
/// assert!(one.contains("my-app") && many.contains("my-app"));
/// assert_eq!(one.as_slice(), ["my-app"]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrMany", into = "OneOrMany")]
pub struct Audience(Vec<String>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    /// Whether the token is for this one, among others or alone.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|audience| audience == name)
    }

    /// All the names, in the token's order.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl PartialEq<str> for Audience {
    /// Whether the token is for this one alone.
    fn eq(&self, name: &str) -> bool {
        matches!(self.0.as_slice(), [only] if only == name)
    }
}

impl PartialEq<&str> for Audience {
    fn eq(&self, name: &&str) -> bool {
        self == *name
    }
}

impl From<OneOrMany> for Audience {
    fn from(names: OneOrMany) -> Self {
        Self(match names {
            OneOrMany::One(name) => vec![name],
            OneOrMany::Many(names) => names,
        })
    }
}

impl From<Audience> for OneOrMany {
    fn from(Audience(mut names): Audience) -> Self {
        match names.len() {
            1 => Self::One(names.remove(0)),
            _ => Self::Many(names),
        }
    }
}

/// The largest float that stands for one whole number only.
const LARGEST: f64 = 9_007_199_254_740_992.0;

/// A `NumericDate` in whole seconds. It may be written with a fraction, which is cut off
/// ([RFC 7519, section 2](https://www.rfc-editor.org/rfc/rfc7519#section-2)).
pub(crate) fn numeric_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    whole_seconds(&Number::deserialize(deserializer)?)
}

/// The same, where there may be none.
pub(crate) fn optional_numeric_date<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<i64>, D::Error> {
    let number = Option::<Number>::deserialize(deserializer)?;
    number.as_ref().map(whole_seconds).transpose()
}

fn whole_seconds<E: Error>(number: &Number) -> Result<i64, E> {
    let cut_off = |seconds: f64| (seconds.abs() <= LARGEST).then(|| seconds.floor() as i64);
    let seconds = number.as_i64();
    let seconds = seconds.or_else(|| number.as_f64().and_then(cut_off));
    seconds.ok_or_else(|| E::custom("not a time in seconds"))
}

/// How the error begins.
pub(crate) const DUPLICATE_MEMBER: &str = "duplicate member";

/// The one member of the object that a number comes as, where another crate turns on serde_json's
/// feature `arbitrary_precision`.
const NUMBER: &str = "$serde_json::private::Number";

/// What is read of a token, refused where a member stands twice, at any level. A derived
/// `Deserialize` sees to its own fields; one for all others, with [`unique_members`], and each field that
/// may hold an object, with [`unique_value`], see to theirs.
pub(crate) trait UniqueMembers: DeserializeOwned {}

/// Any JSON.
pub(crate) fn unique_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    deserializer.deserialize_any(UniqueVisitor)
}

/// The members that have no field of their own.
pub(crate) fn unique_members<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Map<String, Value>, D::Error> {
    deserializer.deserialize_map(MembersVisitor)
}

struct UniqueVisitor;

impl<'de> DeserializeSeed<'de> for UniqueVisitor {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        unique_value(deserializer)
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

/// A number of seconds, which some servers send as a string or with a fraction.
pub(super) fn seconds(value: &Value) -> Option<f64> {
    match value {
        Value::Number(seconds) => seconds.as_f64(),
        Value::String(seconds) => seconds.trim().parse().ok(),
        _ => None,
    }
}

/// A member that may be `null` where it could as well be left out.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

macro_rules! impl_extra_as {
    ($model:ty) => {
        impl $model {
            /// The [`extra`](Self::extra) members as a type of your own.
            ///
            /// ```
            /// # use logto_core as logto;
            /// # use logto::IdTokenClaims;
            /// #[derive(serde::Deserialize)]
            /// struct MyClaims {
            ///     department: String,
            /// }
            ///
            /// let claims: IdTokenClaims = serde_json::from_str(
            ///     r#"{"iss":"https://foo.logto.app/oidc","sub":"1","aud":"app","exp":2,"iat":1,"department":"blue"}"#,
            /// )?;
            /// assert_eq!(claims.extra_as::<MyClaims>()?.department, "blue");
            /// # Ok::<(), serde_json::Error>(())
            /// ```
            ///
            /// # Errors
            ///
            /// If they are not of this type.
            pub fn extra_as<T: serde::de::DeserializeOwned>(&self) -> serde_json::Result<T> {
                T::deserialize(serde_json::Value::Object(self.extra.clone()))
            }
        }
    };
}

pub(crate) use impl_extra_as;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: &str) -> serde_json::Result<Value> {
        unique_value(&mut serde_json::Deserializer::from_str(json))
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
