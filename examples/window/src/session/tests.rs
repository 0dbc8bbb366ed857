use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use logto::storage::MemoryStorage;
use logto::{LogtoClient, LogtoConfig};
use logto_testing::{Endpoint, FakeApp, FakeLogto, FakeUser, Misbehaviour};
use ureq::Agent;

use super::*;
use crate::api::Api;
use crate::demo_picture::DemoPicture;
use crate::worker::Browser;

const RESOURCE: &str = "https://api.example.com";
/// No test waits so long unless it fails.
const LONG: Duration = Duration::from_secs(120);

/// A session and what surrounds it.
struct Harness {
    session: Session,
    fake: Arc<FakeLogto>,
    client: LogtoClient,
    wakes: Receiver<()>,
}

/// Clones share the server and the storage.
#[derive(Clone)]
struct Parts {
    fake: Arc<FakeLogto>,
    client: LogtoClient,
    browser: Arc<Browser>,
    api: Api,
}

impl Parts {
    fn new() -> Self {
        Self::with_user(FakeUser::new("alice"))
    }

    fn with_user(user: FakeUser) -> Self {
        let fake = FakeLogto::builder()
            .app(FakeApp::native("window").redirect_uri("http://127.0.0.1/callback"))
            .user(user)
            .resource(RESOURCE, ["read:items"])
            .start();
        let config = LogtoConfig::new(fake.endpoint(), fake.app_id())
            .resources([RESOURCE])
            .scopes(["read:items"]);
        let fake = Arc::new(fake);
        Self {
            client: LogtoClient::new(config, MemoryStorage::new()).unwrap(),
            browser: browser(&fake),
            api: Api {
                resource: Some(RESOURCE.to_owned()),
                url: None,
            },
            fake,
        }
    }

    fn start(self) -> Harness {
        let client = self.client.clone();
        let (sender, wakes) = mpsc::channel();
        let session = Session::start(Setup {
            open: Box::new(move || Ok(client)),
            browser: self.browser,
            api: self.api,
            wake: Arc::new(move || {
                let _ = sender.send(());
            }),
        });
        Harness {
            session,
            fake: self.fake,
            client: self.client,
            wakes,
        }
    }

    fn signed_in(self) -> Harness {
        let mut harness = self.start();
        harness.until(is_signed_out);
        harness.session.sign_in();
        harness.until(is_signed_in);
        harness
    }
}

impl Harness {
    /// Takes events in, as the window does, until the state is as wanted.
    fn until(&mut self, is_wanted: impl Fn(&State) -> bool) -> &State {
        loop {
            self.session.update();
            if is_wanted(&self.session.state) {
                return &self.session.state;
            }
            self.wakes.recv_timeout(LONG).expect("nothing happens");
        }
    }

    fn account(&self) -> &Account {
        let State::SignedIn(account) = &self.session.state else {
            panic!("nobody is signed in");
        };
        account
    }

    fn notice(&self) -> Option<&Notice> {
        let State::SignedOut { notice } = &self.session.state else {
            panic!("somebody may be signed in");
        };
        notice.as_ref()
    }

    fn call_api(&mut self) -> &Result<Answer, Problem> {
        self.session.call_api();
        self.until(is_idle);
        self.account().api.as_ref().unwrap()
    }
}

fn is_signed_out(state: &State) -> bool {
    matches!(state, State::SignedOut { .. })
}

fn is_signed_in(state: &State) -> bool {
    matches!(state, State::SignedIn(_))
}

fn is_idle(state: &State) -> bool {
    matches!(state, State::SignedIn(account) if account.busy.is_none())
}

fn is_browser_out(state: &State) -> bool {
    matches!(state, State::SigningIn { url: Some(_) })
}

/// One whose user clicks on wherever they are led.
fn browser(fake: &Arc<FakeLogto>) -> Arc<Browser> {
    let fake = Arc::clone(fake);
    Arc::new(move |url| {
        let agent: Agent = Agent::config_builder().proxy(None).build().into();
        let url = match url.contains("/session/end") {
            true => url.to_owned(),
            false => fake.authorize(url),
        };
        agent.get(url).call().map(drop).map_err(io::Error::other)
    })
}

#[test]
fn signing_in_shows_who_it_is() {
    let picture = DemoPicture::serve().unwrap();
    let user = FakeUser::new("alice").name("Alice").picture(picture.url());
    let mut harness = Parts::with_user(user).start();
    assert!(matches!(harness.session.state(), State::Opening));
    harness.until(is_signed_out);
    assert_eq!(harness.notice(), None);

    harness.session.sign_in();
    assert!(matches!(harness.session.state(), State::SigningIn { .. }));
    harness.until(is_signed_in);
    assert_eq!(harness.account().claims.name.as_deref(), Some("Alice"));
    harness.until(|state| matches!(state, State::SignedIn(account) if account.picture.is_some()));
}

#[test]
fn whoever_is_signed_in_stays_so_over_a_restart() {
    let parts = Parts::new();
    drop(parts.clone().signed_in());
    let mut again = parts.start();
    again.until(is_signed_in);
    assert_eq!(again.account().claims.sub, "alice");
}

#[test]
fn the_address_is_shown_where_no_browser_opens() {
    let mut parts = Parts::new();
    parts.browser = Arc::new(|_| Err(io::ErrorKind::NotFound.into()));
    let fake = Arc::clone(&parts.fake);
    let mut harness = parts.start();
    harness.until(is_signed_out);
    harness.session.sign_in();
    let State::SigningIn { url: Some(url) } = harness.until(is_browser_out) else {
        unreachable!();
    };
    browser(&fake)(url).unwrap();
    harness.until(is_signed_in);
}

#[test]
fn cancelling_ends_the_wait_and_the_next_sign_in_is_another_one() {
    let mut parts = Parts::new();
    let follow = Arc::clone(&parts.browser);
    let (sender, urls) = mpsc::channel();
    parts.browser = Arc::new(move |url| sender.send(url.to_owned()).map_err(io::Error::other));
    let mut harness = parts.start();
    harness.until(is_signed_out);
    harness.session.sign_in();
    harness.until(is_browser_out);
    urls.recv().unwrap();
    harness.session.cancel_sign_in();
    harness.until(is_signed_out);
    assert_eq!(harness.notice(), None);

    harness.session.sign_in();
    follow(&urls.recv_timeout(LONG).unwrap()).unwrap();
    harness.until(is_signed_in);
}

#[test]
fn closing_the_window_ends_the_wait() {
    let mut parts = Parts::new();
    parts.browser = Arc::new(|_| Ok(()));
    let mut harness = parts.start();
    harness.until(is_signed_out);
    harness.session.sign_in();
    harness.until(is_browser_out);
    drop(harness.session);
    // The worker holds the other end of what wakes the window.
    let ended = std::iter::from_fn(|| harness.wakes.recv_timeout(LONG).ok()).count();
    assert!(ended < 3);
    assert_eq!(
        harness.wakes.try_recv(),
        Err(mpsc::TryRecvError::Disconnected)
    );
}

#[test]
fn a_sign_in_that_fails_says_why() {
    let parts = Parts::new();
    parts
        .fake
        .misbehave(Endpoint::Token, Misbehaviour::Status(500));
    let mut harness = parts.start();
    harness.until(is_signed_out);
    harness.session.sign_in();
    harness.until(is_signed_out);
    let notice = harness.notice().unwrap();
    assert!(notice.is_error && notice.text.contains("500"), "{notice:?}");
}

#[test]
fn a_session_that_cannot_be_opened_says_why() {
    let (sender, wakes) = mpsc::channel();
    let mut session = Session::start(Setup {
        open: Box::new(|| Err("wrong passphrase".into())),
        browser: Arc::new(|_| Ok(())),
        api: Api::default(),
        wake: Arc::new(move || {
            let _ = sender.send(());
        }),
    });
    wakes.recv_timeout(LONG).unwrap();
    session.update();
    let State::Broken { reason } = session.state() else {
        panic!("it is not broken");
    };
    assert_eq!(reason, "Wrong passphrase.");
}

#[test]
fn calling_the_api_shows_the_token_s_claims() {
    let mut harness = Parts::new().signed_in();
    let Ok(Answer::Token(claims)) = harness.call_api() else {
        panic!("{:?}", harness.account().api);
    };
    assert_eq!(claims.sub, "alice");
    assert!(claims.has_scope("read:items"));
}

#[test]
fn an_api_with_an_address_is_called() {
    let server = DemoPicture::serve_bytes(b"hello".to_vec()).unwrap();
    let mut parts = Parts::new();
    parts.api.url = Some(server.url());
    let mut harness = parts.signed_in();
    assert_eq!(
        harness.call_api(),
        &Ok(Answer::Response {
            status: 200,
            body: "hello".to_owned()
        })
    );
}

#[test]
fn a_session_that_has_ended_at_the_server_asks_for_a_new_sign_in() {
    let mut harness = Parts::new().signed_in();
    harness.fake.revoke_grants();
    let problem = harness.call_api().as_ref().unwrap_err();
    assert!(problem.requires_sign_in, "{problem:?}");
    harness.session.sign_in();
    harness.until(is_signed_in);
    assert!(harness.call_api().is_ok());
}

#[test]
fn an_api_that_fails_for_now_leaves_the_user_signed_in() {
    let mut harness = Parts::new().signed_in();
    harness
        .fake
        .misbehave(Endpoint::Token, Misbehaviour::Status(503));
    let problem = harness.call_api().as_ref().unwrap_err();
    assert!(!problem.requires_sign_in && problem.reason.contains("503"));
    harness.fake.calm();
    assert!(harness.call_api().is_ok());
}

#[test]
fn one_thing_is_done_at_a_time() {
    let mut harness = Parts::new().signed_in();
    harness.session.call_api();
    harness.session.call_api();
    harness.session.sign_out();
    harness.session.sign_in();
    assert_eq!(harness.account().busy, Some(Task::CallingApi));
    harness.until(is_idle);
    // The code, and one refresh for the API.
    assert_eq!(harness.fake.requests_to(Endpoint::Token).len(), 2);
    assert!(harness.client.is_authenticated().unwrap());
}

#[test]
fn a_sign_in_that_fails_leaves_whoever_was_signed_in() {
    let mut harness = Parts::new().signed_in();
    harness
        .fake
        .misbehave(Endpoint::Token, Misbehaviour::Status(500));
    harness.session.sign_in();
    harness.until(|state| matches!(state, State::SignedIn(account) if account.problem.is_some()));
    let problem = harness.account().problem.as_ref().unwrap();
    assert!(problem.contains("500"), "{problem}");
}

#[test]
fn signing_out_leaves_nobody() {
    let mut parts = Parts::new();
    let follow = Arc::clone(&parts.browser);
    let (sender, opened) = mpsc::channel();
    parts.browser = Arc::new(move |url| {
        follow(url)?;
        sender.send(()).map_err(io::Error::other)
    });
    let mut harness = parts.signed_in();
    opened.recv_timeout(LONG).unwrap();
    harness.session.sign_out();
    assert_eq!(harness.account().busy, Some(Task::SigningOut));
    harness.until(is_signed_out);
    assert!(!harness.notice().unwrap().is_error);
    assert!(!harness.client.is_authenticated().unwrap());
    opened.recv_timeout(LONG).unwrap();
    assert_eq!(harness.fake.requests_to(Endpoint::EndSession).len(), 1);

    harness.session.sign_in();
    harness.until(is_signed_in);
}
