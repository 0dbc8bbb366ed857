//! Times in tokens.

use std::fmt;

use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// The largest float that stands for one whole number only.
const LARGEST: f64 = 9_007_199_254_740_992.0;

/// A `NumericDate` in whole seconds. It may be written with a fraction, which is cut off
/// ([RFC 7519, section 2](https://www.rfc-editor.org/rfc/rfc7519#section-2)).
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    deserializer.deserialize_f64(NumericDate)
}

/// The same, where there may be none.
pub(super) mod option {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Wrapped(#[serde(deserialize_with = "super::deserialize")] i64);

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<i64>, D::Error> {
        let wrapped = Option::<Wrapped>::deserialize(deserializer)?;
        Ok(wrapped.map(|Wrapped(seconds)| seconds))
    }
}

struct NumericDate;

impl Visitor<'_> for NumericDate {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time in seconds")
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<i64, E> {
        Ok(seconds)
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<i64, E> {
        i64::try_from(seconds).map_err(|_| E::invalid_value(Unexpected::Unsigned(seconds), &self))
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<i64, E> {
        match seconds.abs() <= LARGEST {
            true => Ok(seconds.floor() as i64),
            false => Err(E::invalid_value(Unexpected::Float(seconds), &self)),
        }
    }
}
