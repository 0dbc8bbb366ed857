//! Who sends a request to the token, revocation or introspection endpoint.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::form_urlencoded;

use super::Provider;
use super::error::OidcError;
use crate::app::FakeApp;
use crate::http::{Params, Request};

/// The application that the request proves to come from.
pub(super) fn authenticate<'a>(
    provider: &'a Provider,
    request: &Request,
    params: &Params,
) -> Result<&'a FakeApp, OidcError> {
    let basic = basic_credentials(request)?;
    let credentials = match (basic, params.get("client_id")) {
        (Some(_), _) if params.get("client_secret").is_some() => {
            return Err(OidcError::invalid_request(
                "client authentication must only be provided using one mechanism",
            ));
        }
        (Some(basic), Some(id)) if basic.id != id => {
            return Err(OidcError::invalid_request("client_id mismatch"));
        }
        (Some(basic), _) => basic,
        (None, Some(id)) => Credentials {
            id: id.to_owned(),
            secret: params.get("client_secret").map(str::to_owned),
            basic: false,
        },
        (None, None) => {
            return Err(OidcError::invalid_request(
                "no client authentication mechanism provided",
            ));
        }
    };
    let app = provider
        .app(&credentials.id)
        .ok_or_else(|| OidcError::unknown_client(&credentials.id))?;
    if app.secret != credentials.secret || params.get("client_assertion").is_some() {
        return Err(OidcError::authentication_failed(credentials.basic));
    }
    Ok(app)
}

struct Credentials {
    id: String,
    secret: Option<String>,
    basic: bool,
}

fn basic_credentials(request: &Request) -> Result<Option<Credentials>, OidcError> {
    let Some((scheme, encoded)) = request
        .header("authorization")
        .and_then(|value| value.split_once(' '))
    else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let malformed = || OidcError::invalid_request("invalid authorization header value format");
    let decoded = STANDARD.decode(encoded.trim()).map_err(|_| malformed())?;
    let decoded = String::from_utf8(decoded).map_err(|_| malformed())?;
    let (id, secret) = decoded.split_once(':').ok_or_else(malformed)?;
    Ok(Some(Credentials {
        id: form_decoded(id),
        secret: Some(form_decoded(secret)),
        basic: true,
    }))
}

/// [RFC 6749, 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1): both halves are
/// form-encoded before they are joined.
fn form_decoded(text: &str) -> String {
    // The parser takes these two as the ends of a value.
    let text = text.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(text.as_bytes())
        .next()
        .map(|(decoded, _)| decoded.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_are_form_decoded() {
        assert_eq!(form_decoded("a+b%2Bc%3A%26"), "a b+c:&");
        assert_eq!(form_decoded("x=y&z"), "x=y&z");
        assert_eq!(form_decoded(""), "");
    }
}
