//! Small helpers that the seed of this SDK offers too.

use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// The prefix of Logto's organization URNs.
#[doc(alias = "OrganizationUrnPrefix")]
pub const ORGANIZATION_URN_PREFIX: &str = "urn:logto:organization:";

/// The URN of an organization: what stands as audience in its tokens, and as its key among the
/// cached access tokens.
///
/// ```
/// assert_eq!(logto_core::build_organization_urn("1"), "urn:logto:organization:1");
/// ```
#[doc(alias = "buildOrganizationUrn")]
pub fn build_organization_urn(organization_id: &str) -> String {
    format!("{ORGANIZATION_URN_PREFIX}{organization_id}")
}

/// The organization id in an organization's URN; `None` if it is none.
///
/// ```
/// # use logto_core as logto;
/// use logto::organization_id_from_urn;
///
/// assert_eq!(organization_id_from_urn("urn:logto:organization:1"), Some("1"));
/// assert_eq!(organization_id_from_urn("https://api.example.com"), None);
/// ```
pub fn organization_id_from_urn(urn: &str) -> Option<&str> {
    urn.strip_prefix(ORGANIZATION_URN_PREFIX)
        .filter(|id| !id.is_empty())
}

/// Encodes bytes in base64url without padding ([RFC 4648, section 5](https://www.rfc-editor.org/rfc/rfc4648#section-5)).
///
/// ```
/// assert_eq!(logto_core::urlsafe_encode(&[251, 255]), "-_8");
/// ```
#[doc(alias = "urlsafeEncode")]
pub fn urlsafe_encode(data: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(data)
}

/// Decodes what [`urlsafe_encode`] writes. `None` if it is not canonical: padding, and trailing bits
/// that say nothing, are refused.
pub(crate) fn urlsafe_decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The lock of what a panic elsewhere leaves whole.
pub(crate) fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the members whose value is `null`, `false`, zero, or an empty string, list or object.
///
/// ```
/// use serde_json::json;
///
/// let data = json!({ "name": "Alice", "email": null, "roles": [], "age": 0 });
/// let kept = logto_core::remove_falsy_keys(data.as_object().unwrap().clone());
/// assert_eq!(serde_json::Value::from(kept), json!({ "name": "Alice" }));
/// ```
#[doc(alias = "removeFalsyKeys")]
pub fn remove_falsy_keys(data: Map<String, Value>) -> Map<String, Value> {
    data.into_iter()
        .filter(|(_, value)| is_truthy(value))
        .collect()
}

fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_is_read_in_its_canonical_form_only() {
        assert_eq!(urlsafe_decode("-_8"), Some(vec![251, 255]));
        for text in ["AB", "AAB", "AA==", "AA=", "A", "+/8", "AA\n"] {
            assert_eq!(urlsafe_decode(text), None, "{text:?}");
        }
    }
}
