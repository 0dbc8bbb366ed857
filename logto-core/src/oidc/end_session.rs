//! Sign-out at the server
//! ([RP-Initiated Logout, section 2](https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout)).

use std::fmt;

use http::Response;
use url::Url;

use super::authorize::random_token;
use super::request::{self, BuiltRequest, ClientCredentials, Form};
use super::response;
use crate::error::LogtoError;
use crate::secret::Secret;

/// What can be said of a sign-out. A post-logout redirect URI alone makes one; so does `None`.
///
/// ```
/// # use logto_core as logto;
/// use logto::SignOutOptions;
///
/// let to_home = SignOutOptions::from("https://example.com/");
/// let with_state = SignOutOptions::from("https://example.com/").state("from-settings");
/// # let _ = (to_home, with_state);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignOutOptions {
    /// Where the browser goes after the sign-out; registered in the Logto Console. `None` for
    /// Logto's own page.
    #[doc(alias = "postLogoutRedirectUri")]
    pub post_logout_redirect_uri: Option<String>,
    /// What the server hands back to that URI as `state`; `None` for nothing.
    pub state: Option<String>,
}

impl SignOutOptions {
    /// Sets what the server hands back to the post-logout redirect URI. Default: nothing.
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.state = Some(state.into());
        self
    }

    /// Sets a random state of 256 bits, by which the way back is known: keep
    /// [`SignOutOutcome::state`] in a cookie, and hold the post-logout redirect to it with
    /// [`Logto::verify_sign_out_callback`](crate::Logto::verify_sign_out_callback). Default: nothing.
    pub fn random_state(self) -> Self {
        self.state(random_token())
    }
}

impl fmt::Debug for SignOutOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignOutOptions")
            .field("post_logout_redirect_uri", &self.post_logout_redirect_uri)
            .field("state", &self.state.as_ref().map(|_| "***"))
            .finish()
    }
}

impl From<&str> for SignOutOptions {
    fn from(uri: &str) -> Self {
        Some(uri).into()
    }
}

impl From<String> for SignOutOptions {
    fn from(uri: String) -> Self {
        uri.as_str().into()
    }
}

impl From<&String> for SignOutOptions {
    fn from(uri: &String) -> Self {
        uri.as_str().into()
    }
}

impl From<Option<&str>> for SignOutOptions {
    fn from(uri: Option<&str>) -> Self {
        Self {
            post_logout_redirect_uri: uri.map(str::to_owned),
            state: None,
        }
    }
}

/// A sign-out: the session is empty; the browser is to be sent to [`url`](Self::url).
#[non_exhaustive]
pub struct SignOutOutcome {
    /// Where to send the browser, so that the server's own session ends too. It holds the ID token
    /// as a hint: do not log it.
    pub url: String,
    /// The state that the post-logout redirect must come back with; `None` if none was set.
    pub state: Option<Secret>,
    /// What became of the refresh token at the server.
    pub revocation: Revocation,
}

impl fmt::Debug for SignOutOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignOutOutcome")
            .field("url", &"***")
            .field("state", &self.state)
            .field("revocation", &self.revocation)
            .finish()
    }
}

/// What became of the refresh token at the server, after a sign-out.
#[derive(Debug)]
#[non_exhaustive]
pub enum Revocation {
    /// The server has revoked it, and with it the whole grant.
    Revoked,
    /// There was none.
    NoRefreshToken,
    /// The server has no endpoint for it, by its metadata.
    Unsupported,
    /// The server could not be asked or refused, or the token is [another
    /// server's](LogtoError::SessionIssuerMismatch) or [another
    /// application's](LogtoError::SessionAudienceMismatch) and was not sent. It is gone from the session and
    /// stays valid at the server until it expires.
    Failed(LogtoError),
}

/// A longer ID token is not sent: servers refuse URLs of more than 8 or 16 KiB, and `client_id` says
/// enough for the redirect.
const LONGEST_HINT: usize = 6 * 1024;

/// The URL to send the browser to.
pub(crate) fn url(
    mut endpoint: Url,
    client_id: &str,
    id_token: Option<&str>,
    options: &SignOutOptions,
) -> String {
    let uri = options.post_logout_redirect_uri.as_deref();
    let parameters = [
        ("client_id", Some(client_id)),
        (
            "id_token_hint",
            id_token.filter(|token| token.len() <= LONGEST_HINT),
        ),
        ("post_logout_redirect_uri", uri),
        ("state", options.state.as_deref()),
    ];
    let given = parameters
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    endpoint.query_pairs_mut().extend_pairs(given);
    endpoint.into()
}

pub(crate) fn revocation_request(
    endpoint: &str,
    client: ClientCredentials<'_>,
    refresh_token: &str,
) -> BuiltRequest {
    let form = Form::default()
        .secret("token", refresh_token)
        .public("token_type_hint", "refresh_token");
    request::post_form(endpoint, client, form)
}

/// The body of a success does not matter (section 2.2).
pub(crate) fn check_revocation(response: &Response<Vec<u8>>) -> Result<(), LogtoError> {
    response::success("revocation response", response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_goes_along_unless_it_is_huge() {
        let endpoint = Url::parse("https://foo.logto.app/oidc/session/end").unwrap();
        let options = SignOutOptions::from("https://example.com/").state("s");
        assert_eq!(
            url(endpoint.clone(), "app", Some("i.d.t"), &options),
            "https://foo.logto.app/oidc/session/end?client_id=app&id_token_hint=i.d.t&post_logout_redirect_uri=https%3A%2F%2Fexample.com%2F&state=s"
        );
        let huge = "x".repeat(LONGEST_HINT + 1);
        assert_eq!(
            url(endpoint, "app", Some(&huge), &None.into()),
            "https://foo.logto.app/oidc/session/end?client_id=app"
        );
    }
}
