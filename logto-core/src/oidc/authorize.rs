//! The authorization request
//! ([OpenID Connect Core, section 3.1.2.1](https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest)).

mod options;

use url::Url;

use crate::config::{LogtoConfig, Prompt};
use crate::crypto::{random_bytes, sha256};
use crate::scopes::{OFFLINE_ACCESS, ReservedResource, Scope, UserInfoScope};
use crate::secret::Secret;
use crate::session::SignInSession;
use crate::utilities::urlsafe_encode;

pub use self::options::{DirectSignIn, FirstScreen, Identifier, InteractionMode, SignInOptions};

/// Parameters that the client sets itself, or that would change the flow under it.
const RESERVED_PARAMETERS: [&str; 19] = [
    "client_id",
    "client_secret",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "resource",
    "state",
    "nonce",
    "prompt",
    "max_age",
    "acr_values",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "device_code",
    "grant_type",
    "request",
    "request_uri",
];

/// Parameters that a callback is read by, which a redirect URI must leave to the server.
const ANSWER_PARAMETERS: [&str; 9] = [
    "code",
    "state",
    "iss",
    "error",
    "error_description",
    "error_uri",
    "response",
    "access_token",
    "id_token",
];

/// Options that could work, and what is sent of them, whoever signs in.
#[derive(Debug)]
pub(crate) struct Request {
    options: SignInOptions,
    parameters: Vec<(String, String)>,
}

impl Request {
    /// Refuses options that could not work, before anything is stored or sent.
    pub(crate) fn new(config: &LogtoConfig, options: SignInOptions) -> Result<Self, SignInError> {
        check_options(&options)?;
        let parameters = parameters(config, &options);
        Ok(Self {
            options,
            parameters,
        })
    }

    pub(crate) fn options(&self) -> &SignInOptions {
        &self.options
    }

    /// The URL to send the browser to.
    pub(crate) fn url(
        &self,
        endpoint: &Url,
        sign_in: &SignInSession,
        code_challenge: &str,
    ) -> String {
        let mut url = endpoint.clone();
        let mut query = url.query_pairs_mut();
        query
            .extend_pairs(&self.parameters)
            .append_pair("code_challenge", code_challenge)
            .append_pair("state", sign_in.state.expose());
        if let Some(nonce) = &sign_in.nonce {
            query.append_pair("nonce", nonce.expose());
        }
        drop(query);
        url.into()
    }
}

fn check_options(options: &SignInOptions) -> Result<(), SignInError> {
    let redirect_uri = check_redirect_uri(&options.redirect_uri)?;
    check_has_no_answer(&redirect_uri)?;
    if let Some(uri) = &options.post_redirect_uri {
        check_post_redirect_uri(uri, &redirect_uri)?;
    }
    check_acr_values(&options.acr_values)?;
    check_extra_params(&options.extra_params)
}

/// They are sent separated by spaces, and no ID token could have an empty one.
fn check_acr_values(values: &[String]) -> Result<(), SignInError> {
    let is_word = |value: &&String| !value.is_empty() && !value.contains(char::is_whitespace);
    match values.iter().find(|value| !is_word(value)) {
        Some(value) => Err(SignInError::InvalidAcrValue {
            value: value.clone(),
        }),
        None => Ok(()),
    }
}

/// Refuses further parameters that have the name of one of the client's.
pub(super) fn check_extra_params(parameters: &[(String, Secret)]) -> Result<(), SignInError> {
    let is_reserved = |name: &str| RESERVED_PARAMETERS.contains(&name);
    match parameters.iter().find(|(name, _)| is_reserved(name)) {
        Some((name, _)) => Err(SignInError::ReservedParameter { name: name.clone() }),
        None => Ok(()),
    }
}

/// Holds a redirect URI to be absolute, without a fragment and without credentials
/// ([RFC 6749, section 3.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.1.2)).
pub(crate) fn check_redirect_uri(uri: &str) -> Result<Url, SignInError> {
    match Url::parse(uri) {
        Ok(url) if has_credentials(&url) => Err(SignInError::CredentialsInUri {
            what: "redirect URI",
        }),
        Ok(url) if url.fragment().is_none() && is_clean(uri) => Ok(url),
        _ => Err(SignInError::InvalidRedirectUri {
            uri: uri.to_owned(),
        }),
    }
}

/// The server adds its answer to the query, and a callback where a parameter stands twice is refused.
fn check_has_no_answer(redirect_uri: &Url) -> Result<(), SignInError> {
    let is_in_query = |name: &&&str| redirect_uri.query_pairs().any(|(key, _)| key == **name);
    match ANSWER_PARAMETERS.iter().find(is_in_query) {
        Some(name) => Err(SignInError::AnswerInRedirectUri { name }),
        None => Ok(()),
    }
}

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// A target on another origin would make the application an open redirector. Browsers read
/// `//host` and `/\host` as another host, and drop tabs and line ends.
fn check_post_redirect_uri(uri: &str, redirect_uri: &Url) -> Result<(), SignInError> {
    let is_path = uri.starts_with('/') && !uri.starts_with("//") && !uri.contains('\\');
    let url = Url::parse(uri);
    if url.as_ref().is_ok_and(has_credentials) {
        return Err(SignInError::CredentialsInUri {
            what: "post-redirect URI",
        });
    }
    let is_same_origin =
        || url.is_ok_and(|url| url.origin().is_tuple() && url.origin() == redirect_uri.origin());
    if is_clean(uri) && (is_path || is_same_origin()) {
        Ok(())
    } else {
        Err(SignInError::ForeignPostRedirectUri {
            uri: uri.to_owned(),
        })
    }
}

/// URLs are parsed without control characters and surrounding spaces, and handed on with them.
fn is_clean(uri: &str) -> bool {
    !uri.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn parameters(config: &LogtoConfig, options: &SignInOptions) -> Vec<(String, String)> {
    let scopes = scopes(config, &options.scopes, options.include_reserved_scopes);
    let mut parameters = vec![
        ("client_id", config.app_id.clone()),
        ("redirect_uri", options.redirect_uri.clone()),
        ("response_type", "code".to_owned()),
        ("scope", scopes.join(" ")),
        ("code_challenge_method", "S256".to_owned()),
    ];
    for resource in resources(config, &scopes) {
        parameters.push(("resource", resource.to_owned()));
    }
    parameters.extend(optional_parameters(config, options));
    let extra = options.extra_params.iter();
    let parameters = parameters
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    parameters
        .chain(extra.map(|(name, value)| (name.clone(), value.expose().to_owned())))
        .collect()
}

/// The scopes to ask for, each once: the reserved ones, the configuration's, this sign-in's.
pub(super) fn scopes<'a>(
    config: &'a LogtoConfig,
    further: &'a [Scope],
    include_reserved_scopes: Option<bool>,
) -> Vec<&'a str> {
    let reserved: &[&str] = match include_reserved_scopes.unwrap_or(config.include_reserved_scopes)
    {
        true => &[
            UserInfoScope::OpenId.as_str(),
            OFFLINE_ACCESS,
            UserInfoScope::Profile.as_str(),
        ],
        false => &[],
    };
    let asked = config.scopes.iter().chain(further).map(Scope::as_str);
    each_once(reserved.iter().copied().chain(asked))
}

/// The resources to ask for. Organization scopes need that of the organization template.
pub(super) fn resources<'a>(config: &'a LogtoConfig, scopes: &[&str]) -> Vec<&'a str> {
    let organizations = scopes
        .contains(&UserInfoScope::Organizations.as_str())
        .then_some(ReservedResource::Organizations.as_str());
    let configured = config.resources.iter().map(String::as_str);
    each_once(configured.chain(organizations))
}

fn each_once<'a>(items: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut unique = Vec::new();
    for item in items {
        if !item.is_empty() && !unique.contains(&item) {
            unique.push(item);
        }
    }
    unique
}

/// What the user is asked again, as it is sent.
pub(super) fn prompt(config: &LogtoConfig, chosen: Option<&[Prompt]>) -> Option<String> {
    let prompt = chosen.unwrap_or(&config.prompt);
    join(prompt.iter().map(Prompt::as_str).collect())
}

fn join(words: Vec<&str>) -> Option<String> {
    (!words.is_empty()).then(|| words.join(" "))
}

fn optional_parameters(
    config: &LogtoConfig,
    options: &SignInOptions,
) -> impl Iterator<Item = (&'static str, String)> {
    let screen = options.first_screen.as_ref();
    let token = options.one_time_token.as_ref();
    let direct = options.direct_sign_in.as_ref();
    let mode = options.interaction_mode;
    let identifiers = options.identifiers.iter().map(Identifier::as_str);
    let locales = options.ui_locales.iter().map(String::as_str);
    let acr_values = options.acr_values.iter().map(String::as_str);
    [
        ("prompt", prompt(config, options.prompt.as_deref())),
        ("first_screen", screen.map(|it| it.as_str().to_owned())),
        ("identifier", join(identifiers.collect())),
        ("direct_sign_in", direct.map(ToString::to_string)),
        ("login_hint", options.login_hint.clone()),
        ("one_time_token", token.map(|it| it.expose().to_owned())),
        ("interaction_mode", mode.map(|it| it.as_str().to_owned())),
        ("ui_locales", join(locales.collect())),
        ("organization_id", options.organization_id.clone()),
        (
            "max_age",
            options.max_age.map(|age| age.as_secs().to_string()),
        ),
        ("acr_values", join(acr_values.collect())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
}

/// 256 random bits as 43 characters of base64url: a state, a nonce, a code verifier.
pub(crate) fn random_token() -> String {
    urlsafe_encode(&random_bytes::<32>())
}

/// Three of them.
pub(crate) fn random_tokens() -> [String; 3] {
    [(); 3].map(|()| random_token())
}

/// The S256 challenge of a verifier ([section 4.2](https://www.rfc-editor.org/rfc/rfc7636#section-4.2)).
pub(crate) fn code_challenge(code_verifier: &str) -> String {
    urlsafe_encode(&sha256(code_verifier.as_bytes()))
}

/// A sign-in or a sign-out could not be started with these options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignInError {
    /// The redirect URI is no absolute URI, or has a fragment.
    #[error("the redirect URI {uri:?} is not an absolute URI without a fragment")]
    InvalidRedirectUri {
        /// The URI as given.
        uri: String,
    },
    /// A URI has a user name or a password, which would show in the browser's history and in logs.
    #[error("the {what} has a user name or a password in it")]
    CredentialsInUri {
        /// Which URI it is.
        what: &'static str,
    },
    /// The query of the redirect URI has a parameter that the server's answer is read by.
    #[error("the query of the redirect URI has {name:?}, which is for the server's answer")]
    AnswerInRedirectUri {
        /// The parameter's name.
        name: &'static str,
    },
    /// The place to go to after the sign-in is on another origin than the redirect URI.
    #[error(
        "the post-redirect URI {uri:?} is neither a path nor of the same origin as the redirect URI"
    )]
    ForeignPostRedirectUri {
        /// The URI as given.
        uri: String,
    },
    /// An extra parameter has the name of one that the client sets itself.
    #[error("the extra parameter {name:?} is set by the client itself")]
    ReservedParameter {
        /// The parameter's name.
        name: String,
    },
    /// A value of `acr_values` is empty or has spaces in it.
    #[error("the acr value {value:?} is empty or has spaces in it")]
    InvalidAcrValue {
        /// The value as given.
        value: String,
    },
    /// The server has no endpoint to end its session at, by its metadata.
    #[error("the server does not support sign-out: its metadata has no end_session_endpoint")]
    SignOutUnsupported,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sign_in_url(config: &LogtoConfig, options: &SignInOptions) -> Vec<(String, String)> {
        let request = Request::new(config, options.clone()).unwrap();
        let sign_in: SignInSession = serde_json::from_value(serde_json::json!({
            "redirectUri": options.redirect_uri, "codeVerifier": "v", "state": "the-state",
            "nonce": "the-nonce",
        }))
        .unwrap();
        let endpoint = Url::parse("https://foo.logto.app/oidc/auth?tenant=1").unwrap();
        let url = request.url(&endpoint, &sign_in, "the-challenge");
        Url::parse(&url)
            .unwrap()
            .query_pairs()
            .into_owned()
            .collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_plain_sign_in_asks_for_the_reserved_scopes() {
        let config = LogtoConfig::new("https://foo.logto.app", "app");
        let query = sign_in_url(&config, &"https://example.com/callback".into());
        assert_eq!(
            query,
            [
                pair("tenant", "1"),
                pair("client_id", "app"),
                pair("redirect_uri", "https://example.com/callback"),
                pair("response_type", "code"),
                pair("scope", "openid offline_access profile"),
                pair("code_challenge_method", "S256"),
                pair("prompt", "consent"),
                pair("code_challenge", "the-challenge"),
                pair("state", "the-state"),
                pair("nonce", "the-nonce"),
            ]
        );
    }

    #[test]
    fn every_option_is_sent() {
        let config = LogtoConfig::new("https://foo.logto.app", "app")
            .resources(["https://api.example.com"])
            .scopes([
                Scope::from(UserInfoScope::Organizations),
                "read:items".into(),
            ]);
        let options = SignInOptions::new("https://example.com/callback")
            .prompt([Prompt::Login, Prompt::Consent])
            .first_screen(FirstScreen::IdentifierSignIn)
            .identifiers([Identifier::Email, Identifier::Phone])
            .direct_sign_in(DirectSignIn::Social("google".into()))
            .login_hint("a@b.c")
            .one_time_token("ott")
            .interaction_mode(InteractionMode::SignUp)
            .ui_locales(["fr-CA", "fr"])
            .organization_id("org_1")
            .max_age(Duration::from_secs(600))
            .acr_values(["gold", "silver"])
            .extra_param("tenant_hint", "blue")
            .scopes(["openid", "write:items"]);
        let query = sign_in_url(&config, &options);
        for expected in [
            pair(
                "scope",
                "openid offline_access profile urn:logto:scope:organizations read:items write:items",
            ),
            pair("resource", "https://api.example.com"),
            pair("resource", "urn:logto:resource:organizations"),
            pair("prompt", "login consent"),
            pair("first_screen", "identifier:sign_in"),
            pair("identifier", "email phone"),
            pair("direct_sign_in", "social:google"),
            pair("login_hint", "a@b.c"),
            pair("one_time_token", "ott"),
            pair("interaction_mode", "signUp"),
            pair("ui_locales", "fr-CA fr"),
            pair("organization_id", "org_1"),
            pair("max_age", "600"),
            pair("acr_values", "gold silver"),
            pair("tenant_hint", "blue"),
        ] {
            assert!(query.contains(&expected), "{expected:?} in {query:?}");
        }
    }

    #[test]
    fn the_reserved_scopes_can_be_left_out() {
        let config = LogtoConfig::new("https://foo.logto.app", "app").scopes(["openid"]);
        let options = SignInOptions::new("https://example.com/c").include_reserved_scopes(false);
        assert!(sign_in_url(&config, &options).contains(&pair("scope", "openid")));
    }

    #[test]
    fn a_redirect_uri_is_absolute() {
        for good in [
            "https://example.com/callback?x=1",
            "http://127.0.0.1:8765/callback",
            "io.logto.test://callback",
        ] {
            check_options(&good.into()).unwrap();
        }
        for bad in [
            " https://example.com/c",
            "https://example.com/c\n",
            "",
            "/callback",
            "example.com/callback",
            "https://example.com/#x",
        ] {
            check_options(&bad.into()).unwrap_err();
        }
    }

    #[test]
    fn a_redirect_uri_holds_no_password() {
        for uri in [
            "https://user@example.com/c",
            "https://:hunter2@example.com/c",
            "https://user:hunter2@example.com/c#x",
            "io.logto.test://user:hunter2@callback",
        ] {
            let error = check_options(&uri.into()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
            assert!(matches!(error, SignInError::CredentialsInUri { .. }));
        }
    }

    #[test]
    fn a_redirect_uri_leaves_the_answer_to_the_server() {
        for name in ANSWER_PARAMETERS {
            for query in [format!("{name}=x"), format!("a=b&{name}")] {
                let options = format!("https://example.com/c?{query}").as_str().into();
                let error = check_options(&options).unwrap_err();
                assert_eq!(error, SignInError::AnswerInRedirectUri { name });
            }
        }
        let percent_encoded = "https://example.com/c?c%6Fde=x".into();
        check_options(&percent_encoded).unwrap_err();
        check_options(&"https://example.com/c?zip_code=1&Code=2".into()).unwrap();
    }

    #[test]
    fn a_target_after_the_sign_in_is_of_the_same_origin() {
        let options =
            |uri: &str| SignInOptions::new("https://example.com/callback").post_redirect_uri(uri);
        for good in [
            "/",
            "/a?b=c#d",
            "https://example.com/a",
            "https://example.com:443/",
        ] {
            check_options(&options(good)).unwrap();
        }
        for bad in [
            "",
            "a",
            "//evil.com",
            "/\\evil.com",
            "/\t/evil.com",
            "\\\\evil.com",
            "https://evil.com/",
            "http://example.com/",
            "https://example.com:444/",
            "https://example.com@evil.com/",
            "https://user@example.com/",
            "https://example.com/a\r\nSet-Cookie: x=1",
            "/a\nb",
            " https://example.com/",
            "javascript:alert(1)",
        ] {
            check_options(&options(bad)).unwrap_err();
        }
    }

    #[test]
    fn an_acr_value_is_one_word() {
        let options = |values: &[&str]| {
            SignInOptions::new("https://example.com/c").acr_values(values.iter().copied())
        };
        check_options(&options(&["gold", "urn:mace:incommon:iap:silver"])).unwrap();
        for bad in ["", " ", "gold silver", "gold\t", "\u{a0}"] {
            let refused = check_options(&options(&["gold", bad]));
            let value = bad.to_owned();
            assert_eq!(refused, Err(SignInError::InvalidAcrValue { value }));
        }
    }

    #[test]
    fn a_parameter_of_the_client_cannot_be_replaced() {
        for name in RESERVED_PARAMETERS {
            let options = SignInOptions::new("https://example.com/c").extra_param(name, "x");
            check_options(&options).unwrap_err();
        }
    }
}

#[cfg(test)]
mod pkce_tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_specification() {
        // RFC 7636, appendix B
        assert_eq!(
            code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn random_tokens_are_long_and_differ() {
        let (one, other) = (random_token(), random_token());
        assert_eq!(one.len(), 43);
        assert_ne!(one, other);
        let [one, other, third] = random_tokens();
        assert_eq!([one.len(), other.len(), third.len()], [43; 3]);
        assert!(one != other && other != third && third != one);
    }
}
