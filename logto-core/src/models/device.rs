//! A sign-in on a device without a browser.

use std::fmt;
use std::time::Duration;

use super::response::TokenResponse;
use super::sign_in::Prompt;
use crate::scopes::Scope;
use crate::secret::Secret;

/// What can be said of one sign-in on a device.
///
/// ```
/// # use logto_core as logto;
/// use logto::DeviceSignInOptions;
///
/// let options = DeviceSignInOptions::new().scopes(["read:items"]);
/// # let _ = options;
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceSignInOptions {
    /// What the user is asked again; `None` for the configuration's.
    pub prompt: Option<Vec<Prompt>>,
    /// Scopes to ask for at this sign-in, beside the configuration's.
    pub scopes: Vec<Scope>,
    /// Whether the reserved scopes are asked for; `None` for the configuration's.
    pub include_reserved_scopes: Option<bool>,
    /// Further parameters, sent as they are.
    pub extra_params: Vec<(String, String)>,
}

impl DeviceSignInOptions {
    /// A sign-in with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what the user is asked again. Default: the configuration's.
    pub fn prompt(mut self, prompt: impl IntoIterator<Item = Prompt>) -> Self {
        self.prompt = Some(prompt.into_iter().collect());
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

    /// Adds a parameter that is sent as it is. Default: none.
    pub fn extra_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra_params.push((name.into(), value.into()));
        self
    }
}

impl fmt::Debug for DeviceSignInOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values of extra parameters may be anything.
        let extra_params: Vec<_> = self.extra_params.iter().map(|(name, _)| name).collect();
        f.debug_struct("DeviceSignInOptions")
            .field("prompt", &self.prompt)
            .field("scopes", &self.scopes)
            .field("include_reserved_scopes", &self.include_reserved_scopes)
            .field("extra_params", &extra_params)
            .finish()
    }
}

/// A sign-in on a device under way: what to show the user, and what to ask the server with
/// ([RFC 8628, section 3.2](https://www.rfc-editor.org/rfc/rfc8628#section-3.2)).
///
/// Its texts can be shown as they are: the user code is printable ASCII, the URLs are https (or of
/// this machine) and have nothing that a terminal would act on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceAuthorization {
    /// What the user enters at [`verification_uri`](Self::verification_uri).
    pub user_code: String,
    /// The page that the user opens, on any device.
    pub verification_uri: String,
    /// The same page with the code in it, for a link or a QR code; `None` if the server gave none.
    pub verification_uri_complete: Option<String>,
    /// For how long the codes are valid, from the start on.
    pub expires_in: Duration,
    /// How long to wait before each poll. It grows when the server asks for that.
    pub interval: Duration,
    /// What the server is polled with. Whoever has it gets the tokens.
    pub device_code: Secret,
    /// In Unix seconds.
    pub(crate) expires_at: i64,
    /// What the server has given for the device code, and could not be stored yet: it gives it once.
    pub(crate) tokens: Option<Box<TokenResponse>>,
}

impl DeviceAuthorization {
    /// The page to send the user to: with the code in it, if the server gave such a one.
    pub fn best_uri(&self) -> &str {
        let complete = self.verification_uri_complete.as_deref();
        complete.unwrap_or(&self.verification_uri)
    }
}
