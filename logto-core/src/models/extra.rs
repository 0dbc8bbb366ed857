//! Members that a model does not name.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The members that a model does not name, as a type of the application's.
pub(super) fn extra_as<T: DeserializeOwned>(extra: &Map<String, Value>) -> serde_json::Result<T> {
    T::deserialize(Value::Object(extra.clone()))
}

/// A member that may be `null` where it could as well be left out.
pub(super) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
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
                super::extra::extra_as(&self.extra)
            }
        }
    };
}

pub(super) use impl_extra_as;
