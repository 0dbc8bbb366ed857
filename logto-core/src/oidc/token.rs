//! The token endpoint
//! ([OpenID Connect Core, section 3.1.3](https://openid.net/specs/openid-connect-core-1_0.html#TokenEndpoint)
//! and [section 12](https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokens)).

use std::fmt;

use http::{Request, Response};
use serde::Deserialize;

use super::client_auth::ClientCredentials;
use super::request::{self, Form};
use super::response;
use crate::error::{HttpError, LogtoError, ResponseError};
use crate::models::TokenResponse;
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
    pub(crate) fn request(&self, endpoint: &str) -> Result<Request<Vec<u8>>, HttpError> {
        let client = ClientCredentials {
            id: self.client_id,
            secret: self.client_secret,
        };
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
    pub(crate) fn request(&self, endpoint: &str) -> Result<Request<Vec<u8>>, HttpError> {
        let client = ClientCredentials {
            id: self.client_id,
            secret: self.client_secret,
        };
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
    let malformed = |reason: &str| ResponseError::Json {
        what,
        reason: reason.to_owned(),
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: &str = "https://foo.logto.app/oidc/token";

    fn form(request: Request<Vec<u8>>) -> String {
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
