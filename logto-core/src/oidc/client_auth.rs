//! How a client says who it is ([RFC 6749, section 2.3](https://www.rfc-editor.org/rfc/rfc6749#section-2.3)).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderValue, request};
use url::form_urlencoded;

/// An application's id and, if it has one, its secret.
#[derive(Clone, Copy)]
pub(crate) struct ClientCredentials<'a> {
    pub id: &'a str,
    pub secret: Option<&'a str>,
}

/// With a secret `client_secret_basic`, whose parts are form-encoded first (section 2.3.1);
/// without, the `client_id` in the body.
pub(crate) fn authenticate(
    builder: request::Builder,
    form: &mut form_urlencoded::Serializer<'_, String>,
    client: ClientCredentials<'_>,
) -> request::Builder {
    match client.secret {
        Some(secret) => builder.header(AUTHORIZATION, basic(client.id, secret)),
        None => {
            form.append_pair("client_id", client.id);
            builder
        }
    }
}

fn basic<'a>(id: &'a str, secret: &'a str) -> HeaderValue {
    let encoded = |part: &'a str| form_urlencoded::byte_serialize(part.as_bytes());
    let pair: String = encoded(id).chain([":"]).chain(encoded(secret)).collect();
    let value = format!("Basic {}", STANDARD.encode(pair));
    let mut value = HeaderValue::try_from(value).expect("base64 is a valid header value");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_of_basic_are_form_encoded() {
        let header = basic("my app", "p%:ä+/");
        let encoded = header.to_str().unwrap().strip_prefix("Basic ").unwrap();
        let pair = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
        assert_eq!(pair, "my+app:p%25%3A%C3%A4%2B%2F");
    }
}
