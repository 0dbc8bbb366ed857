//! The authorization response, as the browser brings it
//! ([OpenID Connect Core, section 3.1.2.5](https://openid.net/specs/openid-connect-core-1_0.html#AuthResponse)).

use url::Url;

use super::id_token::IdTokenClaims;
use super::response::OAuthError;
use crate::error::LogtoError;
use crate::secret::{Secret, same_secret};

/// The longest callback that is read, in bytes.
const LONGEST_CALLBACK: usize = 16 * 1024;

/// A host that no redirect URI has, for a callback that is a path only.
const NO_HOST: &str = "http://callback.invalid";

/// The parameters of other flows: JARM, implicit, hybrid.
const FOREIGN_PARAMETERS: [&str; 3] = ["response", "access_token", "id_token"];

/// A callback that is well formed, and not checked against anything yet.
pub(crate) struct Callback {
    url: Url,
    is_path_only: bool,
    code: Option<String>,
    state: Option<Secret>,
    iss: Option<String>,
    error: Option<OAuthError>,
}

impl Callback {
    /// Reads a callback: a whole URL, or its path and query.
    pub fn parse(callback_uri: &str) -> Result<Self, CallbackError> {
        if callback_uri.len() > LONGEST_CALLBACK {
            return Err(CallbackError::Malformed);
        }
        let is_path_only = callback_uri.starts_with('/');
        let url = match is_path_only {
            true => Url::parse(&format!("{NO_HOST}{callback_uri}")),
            false => Url::parse(callback_uri),
        }
        .map_err(|_| CallbackError::Malformed)?;
        if url.fragment().is_some() {
            return Err(CallbackError::Fragment);
        }
        let parameters = Parameters(url.query_pairs().into_owned().collect());
        for name in FOREIGN_PARAMETERS {
            if parameters.once(name)?.is_some() {
                return Err(CallbackError::UnexpectedParameter { name });
            }
        }
        Ok(Self {
            code: parameters.once("code")?.map(str::to_owned),
            state: parameters.once("state")?.map(Secret::from),
            iss: parameters.once("iss")?.map(str::to_owned),
            error: parameters.oauth_error()?,
            url,
            is_path_only,
        })
    }

    /// The state, by which its sign-in is found.
    pub fn state(&self) -> Result<&Secret, CallbackError> {
        match &self.state {
            Some(state) if !state.expose().is_empty() => Ok(state),
            _ => Err(CallbackError::StateMissing),
        }
    }

    /// Holds scheme, host, port and path to be the redirect URI's; of a path-only callback, the path.
    pub fn check_redirect_uri(&self, redirect_uri: &str) -> Result<(), CallbackError> {
        let names_user = !self.url.username().is_empty() || self.url.password().is_some();
        match self.is_at(redirect_uri) && !names_user {
            true => Ok(()),
            false => Err(CallbackError::RedirectUriMismatch),
        }
    }

    fn is_at(&self, redirect_uri: &str) -> bool {
        Url::parse(redirect_uri).is_ok_and(|expected| {
            let same_path = expected.path() == self.url.path();
            let same_origin = expected.scheme() == self.url.scheme()
                && expected.host() == self.url.host()
                && expected.port_or_known_default() == self.url.port_or_known_default();
            same_path && (self.is_path_only || same_origin)
        })
    }

    /// The code, if the response is of the expected issuer ([RFC 9207, section 2.4](https://www.rfc-editor.org/rfc/rfc9207#section-2.4))
    /// and no error.
    pub fn code(self, issuer: &str, is_issuer_promised: bool) -> Result<Secret, LogtoError> {
        match &self.iss {
            Some(iss) if !same_secret(iss, issuer) => {
                return Err(CallbackError::IssuerMismatch.into());
            }
            None if is_issuer_promised => return Err(CallbackError::IssuerMissing.into()),
            _ => {}
        }
        match (self.code, self.error) {
            (Some(_), Some(_)) => Err(CallbackError::CodeAndError.into()),
            (None, Some(error)) => Err(error.into()),
            (Some(code), None) if !code.is_empty() => Ok(code.into()),
            _ => Err(CallbackError::CodeMissing.into()),
        }
    }
}

/// The parameters of a query, decoded.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// The value of a parameter that may stand once at most.
    fn once(&self, name: &'static str) -> Result<Option<&str>, CallbackError> {
        let mut values = self.0.iter().filter(|(key, _)| key == name);
        let value = values.next().map(|(_, value)| value.as_str());
        match values.next() {
            None => Ok(value),
            Some(_) => Err(CallbackError::DuplicateParameter { name }),
        }
    }

    fn oauth_error(&self) -> Result<Option<OAuthError>, CallbackError> {
        let text = |name| Ok(self.once(name)?.map(OAuthError::clean));
        let Some(error) = self.once("error")? else {
            return Ok(None);
        };
        Ok(Some(OAuthError {
            error_description: text("error_description")?,
            error_uri: text("error_uri")?,
            ..OAuthError::new(error)
        }))
    }
}

/// A finished sign-in: who it is, and where to go next.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SignInOutcome {
    /// The claims of the verified ID token.
    pub claims: IdTokenClaims,
    /// The [`post_redirect_uri`](crate::SignInOptions::post_redirect_uri) of the sign-in; `None` if it had none.
    pub post_redirect_uri: Option<String>,
}

/// The URL that the browser came back with is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallbackError {
    /// It is neither a URL nor a path with a query, or it is longer than 16 KiB.
    #[error("the callback is neither a URL nor a path with a query")]
    Malformed,
    /// It has a fragment. Logto answers in the query.
    #[error("the callback has a fragment; the response is expected in the query")]
    Fragment,
    /// It has a parameter of another flow than the authorization code flow.
    #[error("the callback has the parameter {name:?}, which is not of the authorization code flow")]
    UnexpectedParameter {
        /// The parameter's name.
        name: &'static str,
    },
    /// It has a parameter twice ([RFC 6749, section 3.1](https://www.rfc-editor.org/rfc/rfc6749#section-3.1)).
    #[error("the callback has the parameter {name:?} more than once")]
    DuplicateParameter {
        /// The parameter's name.
        name: &'static str,
    },
    /// It has no `state`, so it belongs to no sign-in.
    #[error("the callback has no state")]
    StateMissing,
    /// Its `state` is of no sign-in that was started in this session.
    #[error(
        "the callback's state is of no sign-in that was started in this session; was the sign-in started in another browser, or on another host name?"
    )]
    StateMismatch,
    /// Its `state` is not that of the sign-out.
    #[error("the callback's state is not that of the sign-out")]
    SignOutStateMismatch,
    /// Its sign-in has been finished already: the page was reloaded, or the link was opened twice. Or its session
    /// has ended while this callback waited for the session.
    #[error("this sign-in has been finished already")]
    AlreadyUsed,
    /// Its sign-in has been tried already and has failed; start a new one.
    #[error("this sign-in has failed already; start a new one")]
    AlreadyFailed,
    /// Its sign-in was started more than ten minutes ago.
    #[error("this sign-in was started too long ago")]
    Expired,
    /// The user was signed out while this sign-in was being finished.
    #[error("the user was signed out while this sign-in was being finished")]
    SignedOutMeanwhile,
    /// Its scheme, host, port or path is not that of the redirect URI.
    #[error("the callback is not at the redirect URI of this sign-in")]
    RedirectUriMismatch,
    /// It has no `iss`, although the server's metadata promises one
    /// ([RFC 9207](https://www.rfc-editor.org/rfc/rfc9207)).
    #[error("the callback has no issuer")]
    IssuerMissing,
    /// Its `iss` is another server's, or its sign-in was begun at another one than the configured one.
    #[error("the callback is of another issuer")]
    IssuerMismatch,
    /// It has neither a code nor an error.
    #[error("the callback has no authorization code")]
    CodeMissing,
    /// It has both a code and an error.
    #[error("the callback has both a code and an error")]
    CodeAndError,
}

#[cfg(test)]
mod tests {
    use super::*;

    const REDIRECT_URI: &str = "https://example.com/callback";

    fn code(query: &str) -> Result<String, LogtoError> {
        let callback_uri = format!("{REDIRECT_URI}?{query}");
        let callback = Callback::parse(&callback_uri)?;
        callback.state()?;
        callback.check_redirect_uri(REDIRECT_URI)?;
        let code = callback.code("https://logto/oidc", true)?;
        Ok(code.expose().to_owned())
    }

    fn refusal(query: &str) -> CallbackError {
        match code(query) {
            Err(LogtoError::Callback(error)) => error,
            other => panic!("{query}: {other:?}"),
        }
    }

    #[test]
    fn a_good_callback_gives_its_code() {
        assert_eq!(
            code("code=a%20b&state=s&iss=https%3A%2F%2Flogto%2Foidc").unwrap(),
            "a b"
        );
    }

    #[test]
    fn each_bad_callback_has_its_own_error() {
        use CallbackError::*;
        let iss = "iss=https://logto/oidc";
        for (query, expected) in [
            (format!("code=c&{iss}"), StateMissing),
            (format!("code=c&state=&{iss}"), StateMissing),
            (
                format!("code=c&state=s&state=s&{iss}"),
                DuplicateParameter { name: "state" },
            ),
            (
                format!("code=c&code=c&state=s&{iss}"),
                DuplicateParameter { name: "code" },
            ),
            (
                format!("code=c&state=s&{iss}&{iss}"),
                DuplicateParameter { name: "iss" },
            ),
            (
                format!("error=e&error=e&state=s&{iss}"),
                DuplicateParameter { name: "error" },
            ),
            ("code=c&state=s".to_owned(), IssuerMissing),
            (
                "code=c&state=s&iss=https://evil/oidc".to_owned(),
                IssuerMismatch,
            ),
            (format!("state=s&{iss}"), CodeMissing),
            (format!("code=&state=s&{iss}"), CodeMissing),
            (format!("code=c&error=e&state=s&{iss}"), CodeAndError),
            (format!("code=c&state=s&{iss}#x"), Fragment),
            (
                format!("response=j&state=s&{iss}"),
                UnexpectedParameter { name: "response" },
            ),
            (
                format!("code=c&id_token=i&state=s&{iss}"),
                UnexpectedParameter { name: "id_token" },
            ),
        ] {
            assert_eq!(refusal(&query), expected, "{query}");
        }
    }

    #[test]
    fn the_servers_error_is_kept_as_text() {
        let error = code(
            "error=access_denied&error_description=no%0A%3Cb%3E&state=s&iss=https://logto/oidc",
        )
        .unwrap_err();
        let error = error.oauth_error().unwrap();
        assert_eq!(error.error, "access_denied");
        assert_eq!(error.error_description.as_deref(), Some("no<b>"));
        assert_eq!(error.status, None);
        let long = format!("error={}&state=s&iss=https://logto/oidc", "x".repeat(5000));
        assert_eq!(
            code(&long).unwrap_err().oauth_error().unwrap().error.len(),
            500
        );
    }

    #[test]
    fn a_callback_is_at_its_redirect_uri() {
        let at = |callback: &str, redirect_uri: &str| {
            Callback::parse(callback)
                .unwrap()
                .check_redirect_uri(redirect_uri)
        };
        for (callback, redirect_uri) in [
            ("https://example.com/callback?code=c", REDIRECT_URI),
            ("https://example.com:443/callback?code=c", REDIRECT_URI),
            ("/callback?code=c", REDIRECT_URI),
            (
                "http://127.0.0.1:8765/callback?code=c",
                "http://127.0.0.1:8765/callback",
            ),
            (
                "io.logto.test://callback?code=c",
                "io.logto.test://callback",
            ),
            (
                "https://example.com/callback?x=1&code=c",
                "https://example.com/callback?x=1",
            ),
        ] {
            at(callback, redirect_uri).unwrap();
        }
        for callback in [
            "https://evil.com/callback?code=c",
            "http://example.com/callback?code=c",
            "https://example.com:444/callback?code=c",
            "https://example.com/other?code=c",
            "https://example.com/callback/?code=c",
            "https://user@example.com/callback?code=c",
            "/other?code=c",
            "//evil.com/callback?code=c",
        ] {
            assert_eq!(
                at(callback, REDIRECT_URI),
                Err(CallbackError::RedirectUriMismatch),
                "{callback}"
            );
        }
    }

    #[test]
    fn what_does_not_belong_to_a_url_is_left_out() {
        let iss = "iss=https://logto/oidc";
        for query in [
            format!("code=a\tb&sta\nte=s&{iss}"),
            format!("code=ab&state=s&{iss} \n"),
        ] {
            assert_eq!(code(&query).unwrap(), "ab", "{query:?}");
        }
        assert_eq!(code(&format!("code=a b&state=s&{iss}")).unwrap(), "a b");
        assert_eq!(
            refusal(&format!("code=a b&state=s&{iss}#\n")),
            CallbackError::Fragment
        );
    }

    #[test]
    fn what_is_no_url_is_malformed() {
        let long = format!("/callback?code={}", "x".repeat(LONGEST_CALLBACK));
        for text in ["", "callback", "code=c", "https://", long.as_str()] {
            assert!(
                matches!(Callback::parse(text), Err(CallbackError::Malformed)),
                "{text}"
            );
        }
    }
}
