//! Tokens for an application itself, without a user
//! ([RFC 6749, section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)).

use std::fmt;

use http::Request;

use super::client_auth::ClientCredentials;
use super::request::{self, Form};
use super::token::with_target;
use crate::error::HttpError;

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
    pub(crate) fn request(&self, endpoint: &str) -> Result<Request<Vec<u8>>, HttpError> {
        let client = ClientCredentials {
            id: self.client_id,
            secret: Some(self.client_secret),
        };
        let form = Form::default().public("grant_type", "client_credentials");
        let mut form = with_target(form, self.resource, self.organization_id);
        if !self.scope.is_empty() {
            form = form.public("scope", self.scope);
        }
        request::post_form(endpoint, client, form)
    }
}

#[cfg(test)]
mod tests {
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
