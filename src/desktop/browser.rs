//! The user's browser.

use std::env;
use std::fmt;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How a browser is opened, and what is done with the address where none opens.
#[derive(Clone)]
pub(super) struct Browser {
    pub open: Arc<Open>,
    pub show_url: Arc<Show>,
    /// What is told the address in any case.
    pub on_url: Option<Arc<OnUrl>>,
    /// When the address is shown although the browser seems to have opened: many an opener reports
    /// success before it has tried.
    pub show_after: Duration,
}

type Open = dyn Fn(&str) -> io::Result<()> + Send + Sync;
type Show = dyn Fn(&str, Reason) + Send + Sync;

type OnUrl = dyn Fn(&str) + Send + Sync;

/// Why the user is shown the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// No browser opens.
    NoBrowser,
    /// It should have opened, and nobody has come back yet.
    NobodyCame,
}

/// A browser that is being opened.
pub(super) struct Opening {
    /// `None` if it is known.
    outcome: Option<Receiver<io::Result<()>>>,
    /// `None` if never, or if it has been told.
    late_at: Option<Instant>,
}

impl Browser {
    /// The system's browser.
    pub fn new(show_url: impl Fn(&str, Reason) + Send + Sync + 'static) -> Self {
        Self {
            open: Arc::new(open_systems),
            show_url: Arc::new(show_url),
            on_url: None,
            show_after: Duration::from_secs(10),
        }
    }

    /// None.
    pub fn refuse(&mut self) {
        self.open = Arc::new(|_| Err(io::ErrorKind::Unsupported.into()));
    }

    /// Opens it on a thread of its own, because some browsers return when they are closed, and they
    /// want to be answered before. Such a thread ends with its browser.
    pub fn open(&self, url: &str) -> Opening {
        if let Some(on_url) = &self.on_url {
            on_url(url);
        }
        let (sender, outcome) = mpsc::channel();
        let (open, url) = (Arc::clone(&self.open), url.to_owned());
        let thread = thread::Builder::new().name("logto-browser".to_owned());
        // Without a thread the sender is dropped, which counts as a failure too.
        let _ = thread.spawn(move || sender.send(open(&url)));
        Opening {
            outcome: Some(outcome),
            late_at: Instant::now().checked_add(self.show_after),
        }
    }
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut browser = f.debug_struct("Browser");
        browser.field("show_after", &self.show_after);
        browser.finish_non_exhaustive()
    }
}

impl Opening {
    /// Returns what has turned out since the last call and is a reason to show the address.
    pub fn news(&mut self) -> Option<Reason> {
        if self.has_failed_within(Duration::ZERO) {
            return Some(Reason::NoBrowser);
        }
        let now = Instant::now();
        let late_at = self.late_at.take_if(|late_at| now >= *late_at);
        late_at.map(|_| Reason::NobodyCame)
    }

    /// Whether it turns out, in this time and for the first time, that no browser opens.
    pub fn has_failed_within(&mut self, time: Duration) -> bool {
        let Some(outcome) = self.outcome.take() else {
            return false;
        };
        match outcome.recv_timeout(time) {
            Ok(Ok(())) => return false,
            Ok(Err(error)) => log::debug!("no browser could be opened: {error}"),
            Err(RecvTimeoutError::Timeout) => {
                self.outcome = Some(outcome);
                return false;
            }
            Err(RecvTimeoutError::Disconnected) => {}
        }
        true
    }
}

/// Writes the address of a sign-in to the standard error.
pub(super) fn print(url: &str, reason: Reason) {
    let what = match reason {
        Reason::NoBrowser => "Open this address in a browser to sign in:",
        Reason::NobodyCame => "If no browser opens, open this address to sign in:",
    };
    // Whoever has closed it does not want to know.
    let _ = writeln!(io::stderr(), "{what}\n{url}");
}

fn open_systems(url: &str) -> io::Result<()> {
    let needs_display = cfg!(all(
        unix,
        not(any(
            target_vendor = "apple",
            target_os = "android",
            target_os = "haiku"
        ))
    ));
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    if needs_display && !has_display(is_set) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "there is no display",
        ));
    }
    webbrowser::open(url)
}

/// Whether there is something to open a browser on: over ssh there is not, and the opener only dies
/// after it has reported success. Under WSL the browser is that of Windows.
fn has_display(is_set: impl Fn(&str) -> bool) -> bool {
    let names = ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"];
    let wsl = ["WSL_DISTRO_NAME", "WSL_INTEROP"];
    names.into_iter().chain(wsl).any(is_set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_ssh_there_is_no_display() {
        assert!(!has_display(|name| name == "SSH_CONNECTION"));
        for set in ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_INTEROP"] {
            assert!(has_display(|name| name == set), "{set}");
        }
    }

    #[test]
    fn opening_reports_each_news_once() {
        let mut browser = Browser::new(|_, _| {});
        browser.show_after = Duration::ZERO;
        let (sender, receiver) = mpsc::channel();
        let receiver = std::sync::Mutex::new(receiver);
        browser.open = Arc::new(move |_| receiver.lock().unwrap().recv().unwrap());
        let mut opening = browser.open("https://foo.logto.app");
        assert_eq!(opening.news(), Some(Reason::NobodyCame));
        assert_eq!(opening.news(), None);
        sender.send(Err(io::ErrorKind::NotFound.into())).unwrap();
        let mut news = Vec::new();
        while opening.outcome.is_some() {
            news.extend(opening.news());
        }
        news.extend(opening.news());
        assert_eq!(news, [Reason::NoBrowser]);

        browser.show_after = Duration::MAX;
        browser.open = Arc::new(|_| Ok(()));
        let mut opening = browser.open("https://foo.logto.app");
        while opening.outcome.is_some() {
            assert_eq!(opening.news(), None);
        }
        assert_eq!(opening.news(), None);
    }
}
