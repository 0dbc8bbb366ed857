//! The thread that makes the calls: each of them may wait for the server, the disk or the user.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use logto::desktop::{
    self, Cancel, DesktopError, DesktopSignInOptions, DesktopSignOut, DesktopSignOutOptions,
};
use logto::{IdTokenClaims, LogtoClient, LogtoError};

use crate::api::{Answer, Api};
use crate::picture::Picture;
use crate::session::{Notice, Problem};
use crate::{Failure, sentence, with_causes};

const APP_NAME: &str = "Logto window";

/// What opens an address.
pub type Browser = dyn Fn(&str) -> io::Result<()> + Send + Sync;

/// What the worker is given.
pub struct Setup {
    /// Makes the client, on the worker: a key may have to be derived first.
    pub open: Box<dyn FnOnce() -> Result<LogtoClient, Failure> + Send>,
    /// Opens the user's browser.
    pub browser: Arc<Browser>,
    pub api: Api,
    /// Called after each event, on the worker: the window is to be drawn again.
    pub wake: Arc<dyn Fn() + Send + Sync>,
}

pub enum Command {
    SignIn(Cancel),
    CallApi,
    SignOut,
}

pub enum Event {
    SignedIn(Box<IdTokenClaims>),
    SignedOut(Option<Notice>),
    Broken(String),
    BrowserOpens(String),
    Picture {
        url: String,
        picture: Picture,
    },
    Api(Result<Answer, Problem>),
    /// What was tried failed, and who is signed in stays so.
    Failed(String),
}

/// Starts it. It ends with the sender of its commands.
pub fn start(setup: Setup) -> (Sender<Command>, Receiver<Event>) {
    let (commands, work) = mpsc::channel();
    let (sender, events) = mpsc::channel();
    let reports = Reports {
        sender,
        wake: setup.wake,
    };
    let (open, browser, api) = (setup.open, setup.browser, setup.api);
    thread::spawn(move || match open() {
        Ok(client) => Worker {
            client,
            browser,
            api,
            reports,
        }
        .run(&work),
        Err(error) => reports.send(Event::Broken(explained(error.as_ref()))),
    });
    (commands, events)
}

struct Worker {
    client: LogtoClient,
    browser: Arc<Browser>,
    api: Api,
    reports: Reports,
}

/// The way to the window.
#[derive(Clone)]
struct Reports {
    sender: Sender<Event>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Worker {
    fn run(self, work: &Receiver<Command>) {
        self.look_who_is_there();
        for command in work {
            match command {
                Command::SignIn(cancel) => self.sign_in(&cancel),
                Command::CallApi => self.call_api(),
                Command::SignOut => self.sign_out(),
            }
        }
    }

    fn look_who_is_there(&self) {
        match self.client.id_token_claims() {
            Ok(claims) => self.welcome(claims),
            Err(LogtoError::NotAuthenticated) => self.reports.send(Event::SignedOut(None)),
            Err(error) => self.reports.send(Event::Broken(explained(&error))),
        }
    }

    fn sign_in(&self, cancel: &Cancel) {
        match desktop::sign_in(&self.client, &self.sign_in_options(cancel)) {
            Ok(signed_in) => self.welcome(signed_in.claims),
            Err(error) => self.still_as_before(&error),
        }
    }

    fn sign_in_options(&self, cancel: &Cancel) -> DesktopSignInOptions {
        let (browser, reports) = (Arc::clone(&self.browser), self.reports.clone());
        DesktopSignInOptions::new()
            .app_name(APP_NAME)
            .cancel(cancel)
            .open_with(move |url| {
                reports.send(Event::BrowserOpens(url.to_owned()));
                browser(url)
            })
            // It is in the window already.
            .show_url(|_| {})
    }

    /// A sign-in that failed leaves whoever was signed in.
    fn still_as_before(&self, error: &DesktopError) {
        let notice = match error {
            error if error.is_cancelled() => None,
            error if error.is_denied() => Some(Notice::info("You did not sign in.")),
            error => Some(Notice::error(explained(error))),
        };
        match self.client.id_token_claims() {
            Ok(claims) => {
                self.welcome(claims);
                if let Some(notice) = notice {
                    self.reports.send(Event::Failed(notice.text));
                }
            }
            Err(_) => self.reports.send(Event::SignedOut(notice)),
        }
    }

    fn welcome(&self, claims: IdTokenClaims) {
        let picture = claims.picture.clone();
        self.reports.send(Event::SignedIn(claims.into()));
        if let Some(url) = picture {
            let reports = self.reports.clone();
            // The user need not wait for it.
            thread::spawn(move || match Picture::fetch(&url) {
                Ok(picture) => reports.send(Event::Picture { url, picture }),
                Err(error) => eprintln!("no picture: {}", with_causes(error.as_ref())),
            });
        }
    }

    fn call_api(&self) {
        let result = self.api.call(&self.client).map_err(|error| Problem {
            requires_sign_in: error
                .downcast_ref::<LogtoError>()
                .is_some_and(LogtoError::requires_sign_in),
            reason: explained(error.as_ref()),
        });
        self.reports.send(Event::Api(result));
    }

    fn sign_out(&self) {
        let browser = Arc::clone(&self.browser);
        let options = DesktopSignOutOptions::new().open_with(move |url| browser(url));
        let event = match desktop::sign_out(&self.client, &options) {
            Ok(signed_out) => Event::SignedOut(Some(farewell(&signed_out))),
            Err(error) => Event::Failed(explained(&error)),
        };
        self.reports.send(event);
    }
}

impl Reports {
    fn send(&self, event: Event) {
        // Without a window there is nobody to tell.
        if self.sender.send(event).is_ok() {
            (self.wake)();
        }
    }
}

fn farewell(signed_out: &DesktopSignOut) -> Notice {
    match signed_out.is_browser_opened {
        true => Notice::info("You have signed out."),
        false => Notice::info("You have signed out here. Your browser may still be signed in."),
    }
}

fn explained(error: &(dyn std::error::Error + 'static)) -> String {
    sentence(&with_causes(error))
}
