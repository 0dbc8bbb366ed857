//! Sign-out, at the server too.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use logto_core::{LogtoClient, OidcCore, Revocation, Secret, SignOutOptions, SignOutOutcome};
use url::Url;

use super::browser::{Browser, Opening, Reason};
use super::cancel::Cancel;
use super::error::DesktopError;
use super::listener::{Listener, Place, Wait, Waited};
use super::page::Pages;

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
/// As of [`LogtoClient::sign_out`]; the session is then what it was, and
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
    let opening = options.browser.open(&url);
    let uri = uri.map(str::to_owned);
    let (is_browser_opened, has_returned) = match listener {
        Some(listener) => options.wait(listener, &state.as_str().into(), opening, &url),
        None => (opening.succeeds_within(FAILS_WITHIN), false),
    };
    // Whoever opens it later finds the port closed.
    let url = match uri {
        Some(uri) if !is_browser_opened => without_return(url, &uri, &state),
        _ => url,
    };
    if !is_browser_opened {
        (options.browser.show_url)(&url, Reason::NoBrowser);
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

/// What can be said of a sign-out.
#[derive(Clone)]
pub struct DesktopSignOutOptions {
    place: Place,
    is_returning: bool,
    timeout: Duration,
    cancel: Cancel,
    browser: Browser,
    pages: Pages,
}

impl DesktopSignOutOptions {
    /// A sign-out with the defaults.
    pub fn new() -> Self {
        Self {
            place: Place {
                ports: vec![0],
                is_ipv6: false,
                path: "/".to_owned(),
            },
            is_returning: false,
            timeout: Duration::from_secs(60),
            cancel: Cancel::new(),
            browser: Browser::new(|_, _| {}),
            pages: Pages::default(),
        }
    }

    /// Lets the browser come back to this path of this machine after the sign-out, and waits for it.
    /// `http://127.0.0.1` with this path must be registered as a post sign-out redirect URI in the Logto
    /// Console; any port will do. Default: the browser stays at Logto's own page, and nothing is waited
    /// for.
    pub fn return_to(mut self, path: impl Into<String>) -> Self {
        self.place.path = path.into();
        self.is_returning = true;
        self
    }

    /// Sets the ports to wait for the browser at: the first that can be had is taken, and 0 is any
    /// free one. Where none can be had, the browser does not come back. Default: any free one.
    pub fn ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.place.ports = ports.into_iter().collect();
        self
    }

    /// Sets whether to wait at `[::1]` in place of `127.0.0.1`. Default: no.
    pub fn ipv6(mut self, is_ipv6: bool) -> Self {
        self.place.is_ipv6 = is_ipv6;
        self
    }

    /// Sets how long to wait for the browser to come back. Default: a minute.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets what ends that wait from another thread. Default: nothing.
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = cancel.clone();
        self
    }

    /// Sets how the browser is opened. It is called on a thread of its own, and may return when the
    /// browser is closed. Default: the system's browser.
    pub fn open_with(
        mut self,
        open: impl Fn(&str) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.browser.open = Arc::new(open);
        self
    }

    /// Opens no browser: its session at the server goes on. Default: a browser is opened.
    pub fn without_browser(mut self) -> Self {
        self.browser.refuse();
        self
    }

    /// Sets what is done with the address where no browser opens, or where one that should come back
    /// has not [for some time](Self::show_url_after). It holds the ID token: show it to nobody but the
    /// user. Default: nothing.
    pub fn show_url(mut self, show: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.browser.show_url = Arc::new(move |url, _| show(url));
        self
    }

    /// Sets after what time the address is [shown](Self::show_url) although a browser seems to have
    /// opened, if it is to [come back](Self::return_to). Default: 10 seconds.
    pub fn show_url_after(mut self, time: Duration) -> Self {
        self.browser.show_after = time;
        self
    }

    /// Sets the page after the sign-out: a whole one, in which scripts do not run and nothing is loaded
    /// but `data:` images and fonts. Default: a plain one in English.
    pub fn success_html(mut self, html: impl Into<String>) -> Self {
        self.pages.success_html = Some(html.into());
        self
    }

    /// A port that cannot be had keeps nobody signed in; the browser then does not come back.
    fn listen(&self) -> Result<Option<Listener>, DesktopError> {
        if !self.is_returning {
            return Ok(None);
        }
        match Listener::bind(&self.place) {
            Ok(listener) => Ok(Some(listener)),
            Err(error @ DesktopError::NoPort { .. }) => {
                log::warn!("the browser will not come back after the sign-out: {error}");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the browser has opened, and whether it has come back.
    fn wait(
        &self,
        mut listener: Listener,
        state: &Secret,
        mut opening: Opening,
        url: &str,
    ) -> (bool, bool) {
        let mut is_opened = true;
        let wait = Wait {
            state,
            pages: &self.pages,
            cancel: &self.cancel,
            until: Instant::now().checked_add(self.timeout),
        };
        let waited = listener.wait(&wait, || {
            is_opened = !opening.has_failed();
            if is_opened && opening.is_late() {
                (self.browser.show_url)(url, Reason::NobodyCame);
            }
            is_opened
        });
        match waited {
            Waited::Arrived(arrival) => {
                arrival.answer(&self.pages.signed_out());
                (true, true)
            }
            Waited::Left => (false, false),
            Waited::Cancelled | Waited::TimedOut => (is_opened, false),
        }
    }
}

impl Default for DesktopSignOutOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DesktopSignOutOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DesktopSignOutOptions")
            .field("place", &self.place)
            .field("is_returning", &self.is_returning)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
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
