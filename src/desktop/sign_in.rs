//! Sign-in by the user's browser.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use logto_core::{CallbackError, LogtoClient, LogtoError, Secret, SignInOptions, SignInOutcome};
use url::Url;

use super::browser::{self, Browser, OnUrl};
use super::cancel::Cancel;
use super::error::DesktopError;
use super::listener::{Listener, Place, Wait, Waited};
use super::page::Pages;

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
    let mut listener = Listener::bind(&options.place)?;
    let mut request = options.request.clone();
    request.redirect_uri = listener.uri().to_owned();
    let url = client.sign_in(request)?;
    let state = state_of(&url);
    let wait = Wait {
        state: &state,
        pages: &options.pages,
        cancel: &options.cancel,
        until: Instant::now().checked_add(options.timeout),
    };
    if let Some(on_url) = &options.on_url {
        on_url(&url);
    }
    let mut opening = options.browser.open(&url);
    loop {
        let waited = listener.wait(&wait, || {
            if let Some(reason) = opening.reason_to_show() {
                (options.browser.show_url)(&url, reason);
            }
            true
        });
        let arrival = match waited {
            Waited::Arrived(arrival) => arrival,
            Waited::Cancelled => return Err(DesktopError::Cancelled),
            Waited::TimedOut | Waited::Left => {
                return Err(DesktopError::TimedOut {
                    after: options.timeout,
                });
            }
        };
        if options.cancel.is_cancelled() {
            arrival.answer(&options.pages.failed());
            return Err(DesktopError::Cancelled);
        }
        match client.handle_sign_in_callback(&arrival.url) {
            Ok(signed_in) => {
                arrival.answer(&options.pages.signed_in());
                return Ok(signed_in);
            }
            Err(error) if is_unread(&error) => arrival.answer(&options.pages.stranger()),
            Err(error) => {
                let error = DesktopError::from(error);
                match error.is_denied() {
                    true => arrival.answer(&options.pages.denied()),
                    false => arrival.answer(&options.pages.failed()),
                }
                return Err(error);
            }
        }
    }
}

/// What can be said of a sign-in by the browser.
#[derive(Clone)]
pub struct DesktopSignInOptions {
    place: Place,
    timeout: Duration,
    cancel: Cancel,
    browser: Browser,
    on_url: Option<Arc<OnUrl>>,
    pages: Pages,
    request: SignInOptions,
}

impl DesktopSignInOptions {
    /// A sign-in with the defaults.
    pub fn new() -> Self {
        Self {
            place: Place {
                ports: vec![0],
                is_ipv6: false,
                path: "/callback".to_owned(),
            },
            timeout: Duration::from_secs(300),
            cancel: Cancel::new(),
            browser: Browser::new(browser::print),
            on_url: None,
            pages: Pages::default(),
            request: SignInOptions::new(""),
        }
    }

    /// Sets the ports to wait for the browser at: the first that can be had is taken, and 0 is any
    /// free one. Default: any free one, which is right for Logto.
    pub fn ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.place.ports = ports.into_iter().collect();
        self
    }

    /// Sets whether to wait at `[::1]` in place of `127.0.0.1`. Logto then wants the redirect URI to be
    /// registered with its port. Default: no.
    pub fn ipv6(mut self, is_ipv6: bool) -> Self {
        self.place.is_ipv6 = is_ipv6;
        self
    }

    /// Sets the path of the redirect URI, as it is registered in the Logto Console. Default:
    /// `/callback`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.place.path = path.into();
        self
    }

    /// Sets how long to wait for the user. Default: 5 minutes. After 10 the client refuses the sign-in
    /// anyway.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets what ends the wait from another thread. Once the browser is back, and the code on its way to
    /// the server, the sign-in runs to its end, and may succeed. Default: nothing.
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

    /// Opens no browser, and only [shows](Self::show_url) the address. Default: a browser is opened.
    pub fn without_browser(mut self) -> Self {
        self.browser.refuse();
        self
    }

    /// Sets what is done, once, with the address where no browser opens, or where nobody has come back
    /// [for some time](Self::show_url_after). Default: it is written to the standard error.
    pub fn show_url(mut self, show: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.browser.show_url = Arc::new(move |url, _| show(url));
        self
    }

    /// Sets after what time the address is [shown](Self::show_url) although a browser seems to have
    /// opened: the system often does not say that none did. Default: 10 seconds.
    pub fn show_url_after(mut self, time: Duration) -> Self {
        self.browser.show_after = time;
        self
    }

    /// Sets what is always done with the address, before a browser is opened: to write it to a log, or
    /// to offer it in a window. Default: nothing.
    pub fn on_url(mut self, look: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.on_url = Some(Arc::new(look));
        self
    }

    /// Sets what the page at the end calls this program. Default: "the application".
    pub fn app_name(mut self, name: impl Into<String>) -> Self {
        self.pages.app_name = Some(name.into());
        self
    }

    /// Sets the page after a sign-in: a whole one, in which scripts do not run and nothing is loaded
    /// but `data:` images and fonts. Default: a plain one in English.
    pub fn success_html(mut self, html: impl Into<String>) -> Self {
        self.pages.success_html = Some(html.into());
        self
    }

    /// Sets the page after a sign-in that failed, with the same rules. Default: a plain one in English.
    pub fn failure_html(mut self, html: impl Into<String>) -> Self {
        self.pages.failure_html = Some(html.into());
        self
    }

    /// Changes what is asked of the server: scopes, prompt, first screen and so on. The redirect URI
    /// is set afterwards. Default: what the configuration says.
    pub fn request(mut self, change: impl FnOnce(SignInOptions) -> SignInOptions) -> Self {
        self.request = change(self.request);
        self
    }
}

impl Default for DesktopSignInOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DesktopSignInOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DesktopSignInOptions")
            .field("place", &self.place)
            .field("timeout", &self.timeout)
            .field("request", &self.request)
            .finish_non_exhaustive()
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
