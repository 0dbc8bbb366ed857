//! The user's browser.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::Duration;

/// How a browser is opened, and what is done with the address where none opens.
#[derive(Clone)]
pub(super) struct Browser {
    pub open: Arc<Open>,
    pub show_url: Arc<dyn Fn(&str) + Send + Sync>,
}

type Open = dyn Fn(&str) -> io::Result<()> + Send + Sync;

/// A browser that is being opened.
pub(super) struct Opening {
    outcome: Receiver<io::Result<()>>,
    is_known: bool,
}

impl Browser {
    /// The system's browser.
    pub fn new(show_url: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self {
            open: Arc::new(webbrowser::open),
            show_url: Arc::new(show_url),
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
        }
    }
}

impl Opening {
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

    /// Waits until it is known whether a browser opens. One that takes longer has opened.
    pub fn succeeds_within(self, time: Duration) -> bool {
        match self.outcome.recv_timeout(time) {
            Ok(outcome) => outcome.is_ok(),
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }
}
