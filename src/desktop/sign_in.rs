//! Sign-in by the user's browser.

use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use logto_core::{CallbackError, LogtoClient, LogtoError, Secret, SignInOptions, SignInOutcome};
use url::Url;

use super::browser;
use super::cancel::Cancel;
use super::error::DesktopError;
use super::listener::Listener;
use super::options::{BrowserOptions, browser_setters};
use super::page;

/// Signs the user in by their browser, and returns who it is. Blocks until they have finished.
///
/// A port of this machine is taken before the browser opens, and given back when this returns, in
/// whatever way. Whoever else calls there is refused, and the user waited for further; see the
/// [module](super) for what the redirect URI is.
///
/// Everything of a user who was signed in before is replaced at once; where it fails, the session is
/// what it was.
///
/// ```no_run
/// # fn example(client: &logto::LogtoClient) -> Result<(), logto::desktop::DesktopError> {
/// use logto::desktop::{self, DesktopSignInOptions};
///
/// let options = DesktopSignInOptions::new()
///     .app_name("Example")
///     .request(|request| request.login_hint("alice@example.com"));
/// let signed_in = desktop::sign_in(client, &options)?;
/// println!("{} is signed in", signed_in.claims.sub);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// - [`DesktopError::NoPort`] and [`DesktopError::InvalidPath`] before anything is sent or opened.
/// - [`DesktopError::Cancelled`] and [`DesktopError::TimedOut`].
/// - [`DesktopError::Logto`] with what [`LogtoClient::sign_in`] and
///   [`LogtoClient::handle_sign_in_callback`] report.
pub fn sign_in(
    client: &LogtoClient,
    options: &DesktopSignInOptions,
) -> Result<SignInOutcome, DesktopError> {
    let shared = &options.shared;
    let mut listener = Listener::bind(&shared.addr)?;
    let mut request = options.request.clone();
    request.redirect_uri = listener.uri().to_owned();
    let url = client.sign_in(request)?;
    listener.expect(state_of(&url), shared.timeout);
    let mut opening = shared.browser.open(&url);
    let mut is_shown = false;
    loop {
        let arrival = listener.wait(shared, || {
            if let Some(reason) = opening.news()
                && !mem::replace(&mut is_shown, true)
            {
                (shared.browser.show_url)(&url, reason);
            }
            Ok(())
        })?;
        if shared.cancel.is_cancelled() {
            arrival.respond(shared.pages.failed(false));
            return Err(DesktopError::Cancelled);
        }
        match client.handle_sign_in_callback(&arrival.url) {
            Ok(signed_in) => {
                arrival.respond(shared.pages.signed_in());
                return Ok(signed_in);
            }
            Err(error) if is_unread(&error) => arrival.respond(page::stranger()),
            Err(error) => {
                let error = DesktopError::from(error);
                arrival.respond(shared.pages.failed(error.is_denied()));
                return Err(error);
            }
        }
    }
}

/// Options of [`sign_in`].
#[derive(Debug, Clone)]
pub struct DesktopSignInOptions {
    shared: BrowserOptions,
    request: SignInOptions,
}

browser_setters!(DesktopSignInOptions);

impl DesktopSignInOptions {
    /// A sign-in with the defaults.
    pub fn new() -> Self {
        let timeout = Duration::from_secs(300);
        Self {
            shared: BrowserOptions::new("/callback", timeout, browser::print),
            request: SignInOptions::new(""),
        }
    }

    /// Sets the path of the redirect URI, as it is registered in the Logto Console. Default:
    /// `/callback`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.shared.addr.path = path.into();
        self
    }

    /// Sets what is always done with the address, before a browser is opened: to write it to a log, or
    /// to offer it in a window. Default: nothing.
    pub fn on_url(mut self, look: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.shared.browser.on_url = Some(Arc::new(look));
        self
    }

    /// Sets what the page at the end calls this program. Default: "the application".
    pub fn app_name(mut self, name: impl Into<String>) -> Self {
        self.shared.pages.app_name = Some(name.into());
        self
    }

    /// Sets the page after a sign-in that failed, with the same rules as [`success_html`](Self::success_html). Default: a plain one in English.
    pub fn failure_html(mut self, html: impl Into<String>) -> Self {
        self.shared.pages.failure_html = Some(html.into());
        self
    }

    /// Changes what is asked of the server: scopes, prompt, first screen and so on. The redirect URI
    /// is set afterwards. Default: what the configuration says.
    pub fn request(mut self, change: impl FnOnce(SignInOptions) -> SignInOptions) -> Self {
        self.request = change(self.request);
        self
    }
}

/// The state of a sign-in URL. The client's own is the last, behind what the endpoint's URL may have.
fn state_of(url: &str) -> Secret {
    let state = Url::parse(url).ok().and_then(|url| {
        let states = url.query_pairs().filter(|(name, _)| name == "state");
        states.last().map(|(_, state)| state.into_owned())
    });
    // Without one nothing fits: a callback with an empty state is refused by the client too.
    Secret::from(state.unwrap_or_default())
}

/// Whether the callback was refused before its sign-in was taken, so that a better one may come.
fn is_unread(error: &LogtoError) -> bool {
    use CallbackError::*;
    matches!(
        error,
        LogtoError::Callback(
            Malformed | Fragment | UnexpectedParameter { .. } | DuplicateParameter { .. }
        )
    )
}
