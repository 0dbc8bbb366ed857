//! The options of a sign-in.

use std::fmt;
use std::time::Duration;

use crate::config::Prompt;
use crate::scopes::Scope;
use crate::secret::Secret;

/// Which page a sign-in starts with; the older way to say it. Prefer [`FirstScreen`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InteractionMode {
    /// `signIn`: the sign-in page.
    SignIn,
    /// `signUp`: the registration page.
    SignUp,
}

impl InteractionMode {
    /// The mode as it is sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "signIn",
            Self::SignUp => "signUp",
        }
    }
}

/// Which page a sign-in starts with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FirstScreen {
    /// `sign_in`: the sign-in page.
    SignIn,
    /// `register`: the registration page.
    Register,
    /// `single_sign_on`: the enterprise sign-in page.
    SingleSignOn,
    /// `identifier:sign_in`: the sign-in page for the given [identifiers](SignInOptions::identifiers).
    IdentifierSignIn,
    /// `identifier:register`: the registration page for the given [identifiers](SignInOptions::identifiers).
    IdentifierRegister,
    /// `reset_password`: the page to reset the password.
    ResetPassword,
    /// Any other value.
    Other(String),
}

impl FirstScreen {
    /// The first screen as it is sent.
    pub fn as_str(&self) -> &str {
        match self {
            Self::SignIn => "sign_in",
            Self::Register => "register",
            Self::SingleSignOn => "single_sign_on",
            Self::IdentifierSignIn => "identifier:sign_in",
            Self::IdentifierRegister => "identifier:register",
            Self::ResetPassword => "reset_password",
            Self::Other(screen) => screen,
        }
    }
}

/// What a user signs in with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Identifier {
    /// `email`
    Email,
    /// `phone`
    Phone,
    /// `username`
    Username,
    /// Any other value.
    Other(String),
}

impl Identifier {
    /// The identifier as it is sent.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Username => "username",
            Self::Other(identifier) => identifier,
        }
    }
}

/// The way around Logto's sign-in page, straight to another provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DirectSignIn {
    /// `social:<connector>`: a social connector, such as `google`.
    Social(String),
    /// `sso:<connector>`: an enterprise connector, by its id.
    Sso(String),
}

impl fmt::Display for DirectSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Social(connector) => write!(f, "social:{connector}"),
            Self::Sso(connector) => write!(f, "sso:{connector}"),
        }
    }
}

/// What can be said of one sign-in. A redirect URI alone makes one.
///
/// ```
/// # use logto_core as logto;
/// use logto::{FirstScreen, Identifier, SignInOptions};
///
/// let plain = SignInOptions::from("https://example.com/callback");
/// let register = SignInOptions::new("https://example.com/callback")
///     .first_screen(FirstScreen::IdentifierRegister)
///     .identifiers([Identifier::Email])
///     .login_hint("alice@example.com")
///     .post_redirect_uri("/welcome");
/// # let _ = (plain, register);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignInOptions {
    /// Where the browser comes back to; registered in the Logto Console.
    pub redirect_uri: String,
    /// What the user is asked again; `None` for the configuration's.
    pub prompt: Option<Vec<Prompt>>,
    /// Which page to start with; `None` for the server's default.
    pub first_screen: Option<FirstScreen>,
    /// What the first screen asks for; empty for the server's default.
    pub identifiers: Vec<Identifier>,
    /// The way around Logto's page; `None` for none.
    pub direct_sign_in: Option<DirectSignIn>,
    /// What to fill in as the user's email address, phone number or user name; `None` for nothing.
    pub login_hint: Option<String>,
    /// A one-time token from a magic link; `None` for none.
    pub one_time_token: Option<Secret>,
    /// The older way to say which page to start with; `None` for the server's default.
    pub interaction_mode: Option<InteractionMode>,
    /// The languages to show the pages in, the preferred one first; empty for the browser's.
    pub ui_locales: Vec<String>,
    /// The organization whose sign-in page is shown; `None` for none.
    pub organization_id: Option<String>,
    /// How long ago the user may have proved who they are, in whole seconds; `None` for however long.
    pub max_age: Option<Duration>,
    /// The ways in which the user may have proved who they are, the preferred one first; empty for any.
    pub acr_values: Vec<String>,
    /// Further parameters, sent as they are.
    pub extra_params: Vec<(String, Secret)>,
    /// Where the application means to go after the sign-in: a path, or a URL of the redirect URI's
    /// origin. [`SignInOutcome`](crate::SignInOutcome) hands it back; `None` if it does not matter.
    pub post_redirect_uri: Option<String>,
    /// Scopes to ask for at this sign-in, beside the configuration's.
    pub scopes: Vec<Scope>,
    /// Whether the reserved scopes are asked for; `None` for the configuration's.
    pub include_reserved_scopes: Option<bool>,
}

impl SignInOptions {
    /// A sign-in that comes back to this URI, with the defaults.
    pub fn new(redirect_uri: impl Into<String>) -> Self {
        Self {
            redirect_uri: redirect_uri.into(),
            ..Self::default()
        }
    }

    /// Sets what the user is asked again. Default: the configuration's.
    pub fn prompt(mut self, prompt: impl IntoIterator<Item = Prompt>) -> Self {
        self.prompt = Some(prompt.into_iter().collect());
        self
    }

    /// Sets which page to start with. Default: the server's.
    pub fn first_screen(mut self, screen: FirstScreen) -> Self {
        self.first_screen = Some(screen);
        self
    }

    /// Sets what the first screen asks for. Default: the server's.
    pub fn identifiers(mut self, identifiers: impl IntoIterator<Item = Identifier>) -> Self {
        self.identifiers = identifiers.into_iter().collect();
        self
    }

    /// Sets the way around Logto's page. Default: none.
    pub fn direct_sign_in(mut self, direct: DirectSignIn) -> Self {
        self.direct_sign_in = Some(direct);
        self
    }

    /// Sets what to fill in as the user's identifier. Default: nothing.
    pub fn login_hint(mut self, hint: impl Into<String>) -> Self {
        self.login_hint = Some(hint.into());
        self
    }

    /// Sets a one-time token from a magic link. Default: none.
    pub fn one_time_token(mut self, token: impl Into<Secret>) -> Self {
        self.one_time_token = Some(token.into());
        self
    }

    /// Sets which page to start with, the older way. Default: the server's.
    pub fn interaction_mode(mut self, mode: InteractionMode) -> Self {
        self.interaction_mode = Some(mode);
        self
    }

    /// Sets the languages to show the pages in. Default: the browser's.
    pub fn ui_locales<S: Into<String>>(mut self, locales: impl IntoIterator<Item = S>) -> Self {
        self.ui_locales = locales.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the organization whose sign-in page is shown. Default: none.
    pub fn organization_id(mut self, id: impl Into<String>) -> Self {
        self.organization_id = Some(id.into());
        self
    }

    /// Sets how long before this sign-in the user may have proved who they are, in whole seconds: who did
    /// so earlier is asked again, and a server that does not ask, or does not say when it was, fails the
    /// sign-in ([OpenID Connect Core, section 3.1.2.1](https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest)).
    /// Zero asks everybody. Default: however long.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Sets the ways in which the user may have proved who they are (`acr`), the preferred one first. A
    /// server that says another one, or none, fails the sign-in. Logto says none. Default: any.
    pub fn acr_values<S: Into<String>>(mut self, values: impl IntoIterator<Item = S>) -> Self {
        self.acr_values = values.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a parameter that is sent as it is. Default: none.
    pub fn extra_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let value = Secret::new(value);
        self.extra_params.push((name.into(), value));
        self
    }

    /// Sets where the application means to go after the sign-in. Default: nowhere.
    pub fn post_redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.post_redirect_uri = Some(uri.into());
        self
    }

    /// Adds scopes for this sign-in. Default: only the configuration's.
    pub fn scopes<S: Into<Scope>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Sets whether the reserved scopes are asked for. Default: the configuration's.
    pub fn include_reserved_scopes(mut self, include: bool) -> Self {
        self.include_reserved_scopes = Some(include);
        self
    }
}

impl<S: Into<String>> From<S> for SignInOptions {
    fn from(redirect_uri: S) -> Self {
        Self::new(redirect_uri)
    }
}
