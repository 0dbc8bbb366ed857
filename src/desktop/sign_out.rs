//! Sign-out, at the server too.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use logto_core::{LogtoClient, OidcCore, Revocation, Secret, SignOutOptions, SignOutOutcome};
use url::Url;

use super::browser::{Opening, Reason};
use super::cancel::Cancel;
use super::error::DesktopError;
use super::listener::Listener;
use super::options::{BrowserOptions, browser_setters};

/// How long it is waited for a browser to fail to open.
const FAILS_WITHIN: Duration = Duration::from_secs(5);

/// Signs the user out: empties the session, revokes the refresh token, and opens the browser to end
/// the server's own session.
///
/// The user is signed out here whether or not a browser opens; what became of the rest is in the
/// [result](DesktopSignOut).
///
/// The address that the browser is opened with holds the ID token as a hint. For a moment it stands in
/// the command line of the opener or the browser, where other users of this machine may be able to read
/// it: it tells who the user is. [`DesktopSignOutOptions::without_browser`] avoids that.
///
/// ```no_run
/// # fn example(client: &logto::LogtoClient) -> Result<(), logto::desktop::DesktopError> {
/// use logto::desktop::{self, DesktopSignOutOptions};
///
/// let signed_out = desktop::sign_out(client, &DesktopSignOutOptions::new())?;
/// if !signed_out.is_browser_opened {
///     println!("Signed out here. Your browser may still be signed in.");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Same as [`LogtoClient::sign_out`]; the session is then what it was, and
/// [`LogtoClient::clear_all_tokens`] ends it without the server.
pub fn sign_out(
    client: &LogtoClient,
    options: &DesktopSignOutOptions,
) -> Result<DesktopSignOut, DesktopError> {
    let listener = options.listen()?;
    let state = OidcCore::generate_state();
    let uri = listener.as_ref().map(Listener::uri);
    let mut request = SignOutOptions::from(uri);
    if uri.is_some() {
        request = request.state(&state);
    }
    let SignOutOutcome {
        url, revocation, ..
    } = client.sign_out(request)?;
    let mut opening = options.shared.browser.open(&url);
    let uri = uri.map(str::to_owned);
    let (is_browser_opened, has_returned) = match listener {
        Some(mut listener) => {
            listener.expect(state.as_str().into(), options.shared.timeout);
            options.wait(listener, opening, &url)
        }
        None => (!opening.has_failed_within(FAILS_WITHIN), false),
    };
    // Whoever opens it later finds the port closed.
    let url = match uri {
        Some(uri) if !is_browser_opened => without_return(url, &uri, &state),
        _ => url,
    };
    if !is_browser_opened {
        (options.shared.browser.show_url)(&url, Reason::NoBrowser);
    }
    Ok(DesktopSignOut {
        revocation,
        is_browser_opened,
        has_returned,
        url: url.into(),
    })
}

/// A sign-out of a desktop program: the session is empty.
#[derive(Debug)]
#[non_exhaustive]
pub struct DesktopSignOut {
    /// What became of the refresh token at the server.
    pub revocation: Revocation,
    /// Whether the browser has been opened to end the server's own session.
    pub is_browser_opened: bool,
    /// Whether the browser came back, so that the server's own session has ended. `false` if it was
    /// [not asked to](DesktopSignOutOptions::return_to).
    pub has_returned: bool,
    /// What the browser was opened with; where none opens, what the user may open later, after which
    /// the browser does not come back. It holds the ID token as a hint.
    pub url: Secret,
}

/// Options of [`sign_out`].
#[derive(Debug, Clone)]
pub struct DesktopSignOutOptions {
    shared: BrowserOptions,
    is_returning: bool,
}

browser_setters!(DesktopSignOutOptions);

impl DesktopSignOutOptions {
    /// A sign-out with the defaults.
    pub fn new() -> Self {
        Self {
            shared: BrowserOptions::new("/", Duration::from_secs(60), |_, _| {}),
            is_returning: false,
        }
    }

    /// Lets the browser come back to this path of this machine after the sign-out, and waits for it.
    /// `http://127.0.0.1` with this path must be registered as a post sign-out redirect URI in the Logto
    /// Console; any port will do. If none can be had, the browser does not come back. Default: the browser stays at Logto's own page, and nothing is waited
    /// for.
    pub fn return_to(mut self, path: impl Into<String>) -> Self {
        self.shared.addr.path = path.into();
        self.is_returning = true;
        self
    }

    /// A port that cannot be had keeps nobody signed in; the browser then does not come back.
    fn listen(&self) -> Result<Option<Listener>, DesktopError> {
        if !self.is_returning {
            return Ok(None);
        }
        match Listener::bind(&self.shared.addr) {
            Ok(listener) => Ok(Some(listener)),
            Err(error @ DesktopError::NoPort { .. }) => {
                log::warn!("the browser will not come back after the sign-out: {error}");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the browser has opened, and whether it has come back.
    fn wait(&self, mut listener: Listener, mut opening: Opening, url: &str) -> (bool, bool) {
        let mut is_opened = true;
        let waited = listener.wait(&self.shared, || {
            match opening.news() {
                Some(Reason::NoBrowser) => {
                    is_opened = false;
                    return Err(DesktopError::Cancelled);
                }
                Some(reason) => (self.shared.browser.show_url)(url, reason),
                None => {}
            }
            Ok(())
        });
        match waited {
            Ok(arrival) => {
                arrival.respond(self.shared.pages.signed_out());
                (true, true)
            }
            Err(_) => (is_opened, false),
        }
    }
}

/// The address without the wish to be sent back here.
fn without_return(url: String, uri: &str, state: &str) -> String {
    let Ok(mut url) = Url::parse(&url) else {
        return url;
    };
    let kept: Vec<_> = url
        .query_pairs()
        .into_owned()
        .filter(|(name, value)| match name.as_str() {
            "post_logout_redirect_uri" => value != uri,
            "state" => value != state,
            _ => true,
        })
        .collect();
    url.query_pairs_mut().clear().extend_pairs(kept);
    url.into()
}
