//! What the window shows and what its user can do, apart from how it is drawn.
//!
//! Nothing here waits: a worker thread makes the calls, and what has become of them is taken in by
//! [`Session::update`].

use std::sync::mpsc::{Receiver, Sender};

use logto::IdTokenClaims;
use logto::desktop::Cancel;

use crate::api::Answer;
use crate::picture::Picture;
use crate::worker::{self, Command, Event, Setup};

pub struct Session {
    state: State,
    commands: Sender<Command>,
    events: Receiver<Event>,
    cancel: Cancel,
}

pub enum State {
    /// It is not known yet whether somebody is signed in.
    Opening,
    SignedOut {
        notice: Option<Notice>,
    },
    /// The browser is out.
    SigningIn {
        /// What it was opened with, for the user to open themself.
        url: Option<String>,
    },
    SignedIn(Box<Account>),
    /// The session cannot be had; only another start may help.
    Broken {
        reason: String,
    },
}

/// Who is signed in, and what they are at.
pub struct Account {
    pub claims: IdTokenClaims,
    /// `None` if they have none, or it is not there yet.
    pub picture: Option<Picture>,
    pub busy: Option<Task>,
    /// What the last call of the API has brought.
    pub api: Option<Result<Answer, Problem>>,
    /// Why they could not be signed out, or another user in.
    pub problem: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    CallingApi,
    SigningOut,
}

/// A call that failed.
#[derive(Debug, PartialEq)]
pub struct Problem {
    pub reason: String,
    /// Whether only a new sign-in helps.
    pub requires_sign_in: bool,
}

/// How it came that nobody is signed in.
#[derive(Debug, PartialEq)]
pub struct Notice {
    pub text: String,
    pub is_error: bool,
}

impl Session {
    /// Starts the worker. It ends when this is dropped, once it has finished what it is at.
    pub fn start(setup: Setup) -> Self {
        let (commands, events) = worker::start(setup);
        Self {
            state: State::Opening,
            commands,
            events,
            cancel: Cancel::new(),
        }
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// Takes in what the worker has finished since the last call.
    pub fn update(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.take_in(event);
        }
    }

    /// Opens the browser; also over an account, which stays until another one is signed in.
    pub fn sign_in(&mut self) {
        let is_free = match &self.state {
            State::SignedOut { .. } => true,
            State::SignedIn(account) => account.busy.is_none(),
            _ => false,
        };
        if is_free {
            // What is cancelled stays so.
            self.cancel = Cancel::new();
            self.state = State::SigningIn { url: None };
            self.send(Command::SignIn(self.cancel.clone()));
        }
    }

    pub fn cancel_sign_in(&self) {
        self.cancel.cancel();
    }

    pub fn call_api(&mut self) {
        self.begin(Task::CallingApi, Command::CallApi);
    }

    pub fn sign_out(&mut self) {
        self.begin(Task::SigningOut, Command::SignOut);
    }

    fn begin(&mut self, task: Task, command: Command) {
        if let State::SignedIn(account) = &mut self.state
            && account.busy.is_none()
        {
            account.busy = Some(task);
            account.problem = None;
            self.send(command);
        }
    }

    fn send(&mut self, command: Command) {
        if self.commands.send(command).is_err() {
            self.state = State::Broken {
                reason: "the worker has ended".to_owned(),
            };
        }
    }

    fn take_in(&mut self, event: Event) {
        match event {
            Event::SignedIn(claims) => self.state = State::SignedIn(Account::new(*claims)),
            Event::SignedOut(notice) => self.state = State::SignedOut { notice },
            Event::Broken(reason) => self.state = State::Broken { reason },
            Event::BrowserOpens(opened) => {
                if let State::SigningIn { url } = &mut self.state {
                    *url = Some(opened);
                }
            }
            Event::Picture { url, picture } => {
                // The user may be another one by now.
                if let State::SignedIn(account) = &mut self.state
                    && account.claims.picture.as_ref() == Some(&url)
                {
                    account.picture = Some(picture);
                }
            }
            Event::Api(result) => {
                if let State::SignedIn(account) = &mut self.state {
                    account.busy = None;
                    account.api = Some(result);
                }
            }
            Event::Failed(reason) => {
                if let State::SignedIn(account) = &mut self.state {
                    account.busy = None;
                    account.problem = Some(reason);
                }
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Account {
    fn new(claims: IdTokenClaims) -> Box<Self> {
        Box::new(Self {
            claims,
            picture: None,
            busy: None,
            api: None,
            problem: None,
        })
    }
}

impl Notice {
    pub fn error(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_error: true,
        }
    }

    pub fn info(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_error: false,
        }
    }
}

#[cfg(test)]
mod tests;
