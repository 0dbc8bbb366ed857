//! The user's browser.

use std::env;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

/// How a browser is opened, and what is done with the address where none opens.
#[derive(Clone)]
pub(super) struct Browser {
    pub open: Arc<Open>,
    pub show_url: Arc<Show>,
    /// When the address is shown although the browser seems to have opened: many an opener reports
    /// success before it has tried.
    pub show_after: Duration,
}

type Open = dyn Fn(&str) -> io::Result<()> + Send + Sync;
type Show = dyn Fn(&str, Reason) + Send + Sync;

/// What is told the address in any case.
pub(super) type OnUrl = dyn Fn(&str) + Send + Sync;

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
    outcome: Receiver<io::Result<()>>,
    is_known: bool,
    /// `None` if never, or if it has been told.
    late_at: Option<Instant>,
    is_shown: bool,
}

impl Browser {
    /// The system's browser.
    pub fn new(show_url: impl Fn(&str, Reason) + Send + Sync + 'static) -> Self {
        Self {
            open: Arc::new(open_systems),
            show_url: Arc::new(show_url),
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
        let (sender, outcome) = mpsc::channel();
        let (open, url) = (Arc::clone(&self.open), url.to_owned());
        let thread = thread::Builder::new().name("logto-browser".to_owned());
        // Without a thread the sender is dropped, which counts as a failure too.
        let _ = thread.spawn(move || sender.send(open(&url)));
        Opening {
            outcome,
            is_known: false,
            late_at: Instant::now().checked_add(self.show_after),
            is_shown: false,
        }
    }
}

impl Opening {
    /// Why the address is to be shown now; `None` if it is not to be, or has been.
    pub fn reason_to_show(&mut self) -> Option<Reason> {
        let reason = match self.has_failed() {
            true => Some(Reason::NoBrowser),
            false => self.is_late().then_some(Reason::NobodyCame),
        };
        let reason = reason.filter(|_| !self.is_shown);
        self.is_shown |= reason.is_some();
        reason
    }

    /// Whether it has turned out, since the last call, that no browser opens.
    pub fn has_failed(&mut self) -> bool {
        if self.is_known {
            return false;
        }
        let outcome = self.outcome.try_recv();
        self.is_known = !matches!(outcome, Err(TryRecvError::Empty));
        match outcome {
            Ok(Ok(())) | Err(TryRecvError::Empty) => false,
            Ok(Err(error)) => {
                log::debug!("no browser could be opened: {error}");
                true
            }
            Err(TryRecvError::Disconnected) => true,
        }
    }

    /// Whether, since the last call, it has become long that nobody has come back.
    pub fn is_late(&mut self) -> bool {
        let now = Instant::now();
        self.late_at.take_if(|late_at| now >= *late_at).is_some()
    }

    /// Waits until it is known whether a browser opens. One that takes longer has opened.
    pub fn succeeds_within(self, time: Duration) -> bool {
        match self.outcome.recv_timeout(time) {
            Ok(outcome) => outcome.is_ok(),
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        }
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
    fn an_address_is_shown_once() {
        let mut browser = Browser::new(|_, _| {});
        browser.show_after = Duration::ZERO;
        let (sender, receiver) = mpsc::channel();
        let receiver = std::sync::Mutex::new(receiver);
        browser.open = Arc::new(move |_| receiver.lock().unwrap().recv().unwrap());
        let mut opening = browser.open("https://foo.logto.app");
        assert_eq!(opening.reason_to_show(), Some(Reason::NobodyCame));
        sender.send(Err(io::ErrorKind::NotFound.into())).unwrap();
        while !opening.is_known {
            assert_eq!(opening.reason_to_show(), None);
        }
        assert_eq!(opening.reason_to_show(), None);

        browser.show_after = Duration::MAX;
        browser.refuse();
        let mut opening = browser.open("https://foo.logto.app");
        let mut reasons = Vec::new();
        while !opening.is_known {
            reasons.extend(opening.reason_to_show());
        }
        reasons.extend(opening.reason_to_show());
        assert_eq!(reasons, [Reason::NoBrowser]);
    }
}
