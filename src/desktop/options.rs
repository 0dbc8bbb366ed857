//! The options that a sign-in and a sign-out share.

use std::time::Duration;

use super::browser::{Browser, Reason};
use super::cancel::Cancel;
use super::listener::ListenAddr;
use super::page::Pages;

#[derive(Debug, Clone)]
pub(super) struct BrowserOptions {
    pub addr: ListenAddr,
    pub timeout: Duration,
    pub cancel: Cancel,
    pub browser: Browser,
    pub pages: Pages,
}

impl BrowserOptions {
    /// The defaults, except for these three.
    pub fn new(
        path: &str,
        timeout: Duration,
        show_url: impl Fn(&str, Reason) + Send + Sync + 'static,
    ) -> Self {
        Self {
            addr: ListenAddr {
                ports: vec![0],
                is_ipv6: false,
                path: path.to_owned(),
            },
            timeout,
            cancel: Cancel::new(),
            browser: Browser::new(show_url),
            pages: Pages::default(),
        }
    }
}

/// Implements the setters and `Default` for options that have [`BrowserOptions`] in the field `shared`.
macro_rules! browser_setters {
    ($options:ident) => {
        impl $options {
            /// Sets the ports to listen on: the first free one is taken, and 0 is any free one. Default: any free
            /// one, which is right for Logto.
            pub fn ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
                self.shared.addr.ports = ports.into_iter().collect();
                self
            }

            /// Sets whether to listen on `[::1]` instead of `127.0.0.1`. The URI must then be registered with its
            /// port at Logto. Default: no.
            pub fn ipv6(mut self, is_ipv6: bool) -> Self {
                self.shared.addr.is_ipv6 = is_ipv6;
                self
            }

            /// Sets how long to wait for the browser to come back. Default: 5 minutes for a sign-in, which the
            /// client refuses after 10 anyway, and one minute for a sign-out.
            pub fn timeout(mut self, timeout: Duration) -> Self {
                self.shared.timeout = timeout;
                self
            }

            /// Sets the handle that ends the wait from another thread. Once the browser is back, the call runs to
            /// its end, and may succeed. Default: none.
            pub fn cancel(mut self, cancel: &Cancel) -> Self {
                self.shared.cancel = cancel.clone();
                self
            }

            /// Sets how the browser is opened. It is called on a thread of its own, and may return when the
            /// browser is closed. Default: the system's browser.
            pub fn open_with(
                mut self,
                open: impl Fn(&str) -> io::Result<()> + Send + Sync + 'static,
            ) -> Self {
                self.shared.browser.open = Arc::new(open);
                self
            }

            /// Opens no browser, and only [shows](Self::show_url) the address. After a sign-out without a
            /// browser, the user's session at the server continues. Default: a browser is opened.
            pub fn without_browser(mut self) -> Self {
                self.shared.browser.refuse();
                self
            }

            /// Sets what shows the address to the user if no browser opens, or if the browser that should come
            /// back has not [for some time](Self::show_url_after). The address of a sign-out contains the ID token:
            /// show it to nobody but the user. Default: a sign-in writes it to standard error, and a sign-out
            /// does nothing.
            pub fn show_url(mut self, show: impl Fn(&str) + Send + Sync + 'static) -> Self {
                self.shared.browser.show_url = Arc::new(move |url, _| show(url));
                self
            }

            /// Sets after what time the address is [shown](Self::show_url) although a browser seems to have
            /// opened: many systems do not report that none did. Default: 10 seconds.
            pub fn show_url_after(mut self, time: Duration) -> Self {
                self.shared.browser.show_after = time;
                self
            }

            /// Sets the page after success: a whole one, in which scripts do not run and nothing is loaded but
            /// `data:` images and fonts. Default: a plain one in English.
            pub fn success_html(mut self, html: impl Into<String>) -> Self {
                self.shared.pages.success_html = Some(html.into());
                self
            }
        }

        impl Default for $options {
            fn default() -> Self {
                Self::new()
            }
        }
    };
}
pub(super) use browser_setters;
