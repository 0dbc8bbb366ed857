//! The token endpoint
//! ([OpenID Connect Core, section 3.1.3](https://openid.net/specs/openid-connect-core-1_0.html#TokenEndpoint)
//! and [section 12](https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokens)).

use std::fmt;

use http::Response;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::claims::seconds;
use super::request::{self, BuiltRequest, ClientCredentials, Form};
use super::response::{self, ResponseError};
use crate::error::LogtoError;
use crate::secret::Secret;
use crate::utilities::organization_id_from_urn;

/// An authorization code and what belongs to it, to be exchanged for tokens.
#[derive(Clone, Copy)]
pub struct CodeGrant<'a> {
    /// The application's id.
    pub client_id: &'a str,
    /// The application's secret; `None` of a public client.
    pub client_secret: Option<&'a str>,
    /// The redirect URI of the authorization request.
    pub redirect_uri: &'a str,
    /// The code.
    pub code: &'a str,
    /// The PKCE code verifier.
    pub code_verifier: &'a str,
}

impl fmt::Debug for CodeGrant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeGrant")
            .field("client_id", &self.client_id)
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

impl CodeGrant<'_> {
    pub(crate) fn request(&self, endpoint: &str) -> BuiltRequest {
        let client = ClientCredentials::new(self.client_id, self.client_secret);
        let form = Form::default()
            .public("grant_type", "authorization_code")
            .secret("code", self.code)
            .public("redirect_uri", self.redirect_uri)
            .secret("code_verifier", self.code_verifier);
        request::post_form(endpoint, client, form)
    }
}

/// A refresh token and what to ask for with it.
///
/// ```
/// # use logto_core as logto;
/// use logto::RefreshTokenGrant;
///
/// let grant = RefreshTokenGrant {
///     client_id: "my-app",
///     refresh_token: "…",
///     resource: "https://api.example.com",
///     ..RefreshTokenGrant::default()
/// };
/// # let _ = grant;
/// ```
#[derive(Clone, Copy, Default)]
pub struct RefreshTokenGrant<'a> {
    /// The application's id.
    pub client_id: &'a str,
    /// The application's secret; `None` of a public client.
    pub client_secret: Option<&'a str>,
    /// The refresh token.
    pub refresh_token: &'a str,
    /// The resource to have a token for; empty for none. An organization's URN asks for that
    /// organization's token.
    pub resource: &'a str,
    /// The organization to have a token for; `None` for none. With a resource: the token for both.
    pub organization_id: Option<&'a str>,
}

impl fmt::Debug for RefreshTokenGrant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshTokenGrant")
            .field("client_id", &self.client_id)
            .field("resource", &self.resource)
            .field("organization_id", &self.organization_id)
            .finish_non_exhaustive()
    }
}

impl RefreshTokenGrant<'_> {
    pub(crate) fn request(&self, endpoint: &str) -> BuiltRequest {
        let client = ClientCredentials::new(self.client_id, self.client_secret);
        let form = Form::default()
            .public("grant_type", "refresh_token")
            .secret("refresh_token", self.refresh_token);
        let form = with_target(form, self.resource, self.organization_id);
        request::post_form(endpoint, client, form)
    }
}

/// Names what a token is for. Logto ignores the resource of a request that has two.
pub(crate) fn with_target<'a>(
    mut form: Form<'a>,
    resource: &'a str,
    organization_id: Option<&'a str>,
) -> Form<'a> {
    let named = organization_id_from_urn(resource);
    if named.is_none() && !resource.is_empty() {
        form = form.public("resource", resource);
    }
    match organization_id.or(named) {
        Some(organization_id) => form.public("organization_id", organization_id),
        None => form,
    }
}

/// The refresh token in an answer, whatever else is wrong with it: the one that was sent is worth
/// nothing any more.
pub(crate) fn rotated(response: &Response<Vec<u8>>) -> Option<Secret> {
    #[derive(Deserialize)]
    struct Rotated {
        refresh_token: Secret,
    }
    let rotated: Rotated = response::json("token response", response).ok()?;
    Some(rotated.refresh_token).filter(|token| !token.expose().is_empty())
}

/// Reads the tokens. An empty ID token is none; an empty refresh token would leave it open which one to
/// send next.
pub(crate) fn response(response: &Response<Vec<u8>>) -> Result<TokenResponse, LogtoError> {
    let what = "token response";
    let mut tokens: TokenResponse = response::json(what, response)?;
    if !tokens.token_type.eq_ignore_ascii_case("bearer") {
        return Err(ResponseError::TokenType.into());
    }
    let malformed = |reason| ResponseError::malformed(what, reason);
    if !is_access_token(tokens.access_token.expose()) {
        let reason = "the access token is empty, or has characters that no header can have";
        return Err(malformed(reason).into());
    }
    let is_empty = |token: &Secret| token.expose().is_empty();
    if tokens.refresh_token.as_ref().is_some_and(is_empty) {
        return Err(malformed("the refresh token is empty").into());
    }
    tokens.id_token = tokens.id_token.filter(|token| !is_empty(token));
    Ok(tokens)
}

/// Visible ASCII characters and spaces ([RFC 6749, appendix A.12](https://www.rfc-editor.org/rfc/rfc6749#appendix-A.12)),
/// so that a line end in a token cannot end the header that it is sent in.
fn is_access_token(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// What an application asks for by its own id and secret.
///
/// ```
/// # use logto_core as logto;
/// use logto::ClientCredentialsGrant;
///
/// let grant = ClientCredentialsGrant {
///     client_id: "my-machine-app",
///     client_secret: "…",
///     resource: "https://api.example.com",
///     scope: "read:items",
///     ..ClientCredentialsGrant::default()
/// };
/// # let _ = grant;
/// ```
#[derive(Clone, Copy, Default)]
pub struct ClientCredentialsGrant<'a> {
    /// The application's id.
    pub client_id: &'a str,
    /// The application's secret.
    pub client_secret: &'a str,
    /// The resource to have a token for; empty for none. An organization's URN asks for that
    /// organization's token.
    pub resource: &'a str,
    /// The organization to have a token for; `None` for none. With a resource: the token for both.
    pub organization_id: Option<&'a str>,
    /// The scopes to ask for, separated by spaces; empty for none, which Logto takes at its word.
    pub scope: &'a str,
}

impl fmt::Debug for ClientCredentialsGrant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentialsGrant")
            .field("client_id", &self.client_id)
            .field("resource", &self.resource)
            .field("organization_id", &self.organization_id)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl ClientCredentialsGrant<'_> {
    pub(crate) fn request(&self, endpoint: &str) -> BuiltRequest {
        let client = ClientCredentials::new(self.client_id, Some(self.client_secret));
        let form = Form::default().public("grant_type", "client_credentials");
        let form = with_target(form, self.resource, self.organization_id);
        request::post_form(endpoint, client, form.public("scope", self.scope))
    }
}

/// What the token endpoint answers ([RFC 6749, section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct TokenResponse {
    /// The access token.
    pub access_token: Secret,
    /// The type of the access token; only `Bearer`, in any case, is accepted.
    pub token_type: String,
    /// For how many seconds the access token is valid; `None` if the server did not say.
    #[serde(default, deserialize_with = "lifetime")]
    pub expires_in: Option<u64>,
    /// The refresh token; `None` if there is none, which after a refresh means: keep the old one.
    #[serde(default)]
    pub refresh_token: Option<Secret>,
    /// The ID token; `None` if there is none.
    #[serde(default)]
    pub id_token: Option<Secret>,
    /// The scopes that are granted, separated by spaces; `None` or empty if the server did not say.
    #[serde(default)]
    pub scope: Option<String>,
}

/// The longest lifetime that is believed: ten years.
const LONGEST_LIFETIME: f64 = 10.0 * 366.0 * 24.0 * 60.0 * 60.0;

/// A lifetime in whole seconds.
pub(crate) fn lifetime<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    let Some(value) = Option::<Value>::deserialize(deserializer)? else {
        return Ok(None);
    };
    match seconds(&value).filter(|seconds| (0.0..=LONGEST_LIFETIME).contains(seconds)) {
        Some(seconds) => Ok(Some(seconds as u64)),
        None => Err(D::Error::custom("not a number of seconds")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: &str = "https://foo.logto.app/oidc/token";

    fn form(request: http::Request<Vec<u8>>) -> String {
        String::from_utf8(request.into_body()).unwrap()
    }

    #[test]
    fn a_confidential_client_sends_its_secret_in_the_header_only() {
        let request = CodeGrant {
            client_id: "app",
            client_secret: Some("secret"),
            redirect_uri: "https://example.com/callback",
            code: "c",
            code_verifier: "v",
        }
        .request(ENDPOINT)
        .unwrap();
        assert_eq!(request.headers()["authorization"], "Basic YXBwOnNlY3JldA==");
        assert_eq!(
            form(request),
            "grant_type=authorization_code&code=c&redirect_uri=https%3A%2F%2Fexample.com%2Fcallback&code_verifier=v"
        );
    }

    #[test]
    fn a_refresh_names_the_resource_or_the_organization() {
        let grant = RefreshTokenGrant {
            client_id: "app",
            refresh_token: "r",
            ..Default::default()
        };
        let body = |grant: RefreshTokenGrant<'_>| form(grant.request(ENDPOINT).unwrap());
        let start = "grant_type=refresh_token&refresh_token=r";
        assert_eq!(body(grant), format!("{start}&client_id=app"));
        assert_eq!(
            body(RefreshTokenGrant {
                resource: "https://a",
                ..grant
            }),
            format!("{start}&resource=https%3A%2F%2Fa&client_id=app")
        );
        assert_eq!(
            body(RefreshTokenGrant {
                resource: "urn:logto:organization:o",
                ..grant
            }),
            format!("{start}&organization_id=o&client_id=app")
        );
        assert_eq!(
            body(RefreshTokenGrant {
                resource: "https://a",
                organization_id: Some("o"),
                ..grant
            }),
            format!("{start}&resource=https%3A%2F%2Fa&organization_id=o&client_id=app")
        );
    }

    #[test]
    fn only_a_bearer_token_is_accepted() {
        let read = |body: &str| {
            let answer = Response::builder()
                .header("content-type", "application/json; charset=utf-8")
                .body(body.as_bytes().to_vec())
                .unwrap();
            response(&answer)
        };
        let tokens =
            read(r#"{"access_token":"a","token_type":"BEARER","id_token":"","scope":""}"#).unwrap();
        assert_eq!((tokens.refresh_token, tokens.id_token), (None, None));
        assert_eq!(tokens.expires_in, None);
        for body in [
            r#"{"access_token":"a","token_type":"mac"}"#,
            r#"{"access_token":"","token_type":"Bearer"}"#,
            r#"{"access_token":"a","token_type":"Bearer","refresh_token":""}"#,
            r#"{"access_token":"a\r\nb: c","token_type":"Bearer"}"#,
            r#"{"access_token":"\u00e9","token_type":"Bearer"}"#,
            r#"{"access_token":"a"}"#,
            r#"{"access_token":"a","token_type":"Bearer","expires_in":-1}"#,
            r#"[]"#,
        ] {
            read(body).unwrap_err();
        }
    }
}

#[cfg(test)]
mod client_credentials_tests {
    use super::*;

    #[test]
    fn the_request_names_what_is_wanted_and_nothing_else() {
        let grant = ClientCredentialsGrant {
            client_id: "app",
            client_secret: "secret",
            resource: "https://a",
            ..Default::default()
        };
        let body = |grant: ClientCredentialsGrant<'_>| {
            let request = grant.request("https://foo.logto.app/oidc/token").unwrap();
            assert_eq!(request.headers()["authorization"], "Basic YXBwOnNlY3JldA==");
            String::from_utf8(request.into_body()).unwrap()
        };
        let start = "grant_type=client_credentials";
        assert_eq!(body(grant), format!("{start}&resource=https%3A%2F%2Fa"));
        assert_eq!(
            body(ClientCredentialsGrant {
                organization_id: Some("o"),
                scope: "a b",
                ..grant
            }),
            format!("{start}&resource=https%3A%2F%2Fa&organization_id=o&scope=a+b")
        );
        assert_eq!(
            body(ClientCredentialsGrant {
                resource: "urn:logto:organization:o",
                ..grant
            }),
            format!("{start}&organization_id=o")
        );
    }
}

#[cfg(test)]
mod response_tests {
    use serde_json::json;

    use super::*;

    fn expires_in(value: serde_json::Value) -> Result<Option<u64>, serde_json::Error> {
        let body = json!({ "access_token": "t", "token_type": "Bearer", "expires_in": value });
        serde_json::from_value::<TokenResponse>(body).map(|response| response.expires_in)
    }

    #[test]
    fn a_lifetime_is_a_sensible_number_of_seconds() {
        assert_eq!(expires_in(json!(3600)).unwrap(), Some(3600));
        assert_eq!(expires_in(json!("3600")).unwrap(), Some(3600));
        assert_eq!(expires_in(json!(3600.5)).unwrap(), Some(3600));
        assert_eq!(expires_in(json!(0)).unwrap(), Some(0));
        assert_eq!(expires_in(json!(null)).unwrap(), None);
        for absurd in [
            json!(-1),
            json!(1e308),
            json!("-1"),
            json!(""),
            json!(true),
            json!([1]),
        ] {
            assert!(expires_in(absurd.clone()).is_err(), "{absurd}");
        }
    }
}
