//! The server tells the application of a sign-out, and the application answers.

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use logto::storage::MemoryStorage;
use logto::{LogoutTokenClaims, Logto, LogtoConfig, LogtoError};
use logto_testing::{FakeApp, FakeLogto};
use rouille::{Request, Response};
use serde_json::{Value, json};

/// A server, a user who has signed in, and an application that is told of sign-outs.
struct Scene {
    fake: FakeLogto,
    sign_out_url: String,
    application: Arc<Application>,
    /// Stops and joins the application's web server.
    web: Option<(JoinHandle<()>, Sender<()>)>,
}

struct Application {
    logto: Logto,
    ended: Mutex<Vec<LogoutTokenClaims>>,
    is_broken: AtomicBool,
}

impl Application {
    fn answer(&self, request: &Request) -> Response {
        let mut body = Vec::new();
        let data = request.data().expect("the body is read once");
        data.take(64 * 1024).read_to_end(&mut body).unwrap();
        let result = self.log_out(request.header("Content-Type"), &body);
        let answer = Logto::back_channel_logout_response(&result);
        Response::text(answer.body()).with_status_code(answer.status().as_u16())
    }

    fn log_out(&self, content_type: Option<&str>, body: &[u8]) -> Result<(), LogtoError> {
        let token = self.logto.verify_logout_request(content_type, body)?;
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(LogtoError::NotAuthenticated);
        }
        self.ended.lock().unwrap().push(token.claims().clone());
        token.done();
        Ok(())
    }
}

impl Scene {
    fn new() -> Self {
        let app = FakeApp::web("app", "secret").backchannel_logout_session_required();
        let fake = FakeLogto::builder().app(app).start();
        let config = LogtoConfig::new(fake.endpoint(), "app").app_secret("secret");
        let logto = Logto::builder(config).clock(fake.clock()).build().unwrap();
        let client = logto.client(MemoryStorage::new());
        let sign_in = client.sign_in("http://localhost:3000/callback").unwrap();
        client
            .handle_sign_in_callback(&fake.authorize(&sign_in))
            .unwrap();
        let application = Arc::new(Application {
            logto,
            ended: Mutex::default(),
            is_broken: AtomicBool::new(false),
        });
        let shared = Arc::clone(&application);
        let server =
            rouille::Server::new("127.0.0.1:0", move |request| shared.answer(request)).unwrap();
        let uri = format!("http://{}/back-channel-logout", server.server_addr());
        fake.set_backchannel_logout_uri("app", uri);
        Self {
            sign_out_url: client.sign_out("http://localhost:3000/").unwrap().url,
            fake,
            application,
            web: Some(server.stoppable()),
        }
    }

    fn deliver(&self, token: &str) -> u16 {
        let delivery = self.fake.deliver_logout_token("app", token);
        delivery.outcome.unwrap()
    }

    fn ended(&self) -> Vec<LogoutTokenClaims> {
        self.application.ended.lock().unwrap().clone()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some((web, stop)) = self.web.take() {
            let _ = stop.send(());
            let _ = web.join();
        }
    }
}

#[test]
fn a_sign_out_at_the_server_reaches_the_application_once() {
    let scene = Scene::new();
    scene.fake.sign_out(&scene.sign_out_url);
    let deliveries = scene.fake.logout_deliveries();
    assert_eq!(deliveries.len(), 1);
    assert_eq!(deliveries[0].outcome, Ok(200));
    let ended = scene.ended();
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].sub.as_deref(), Some("alice"));
    assert!(ended[0].sid.is_some());

    assert_eq!(scene.deliver(&deliveries[0].token), 400, "a replay");
    assert_eq!(scene.ended().len(), 1);
}

#[test]
fn a_token_of_another_kind_ends_nothing() {
    let scene = Scene::new();
    let token = || scene.fake.logout_token("app", "alice");
    let with = |claim: &'static str, value: Value| {
        let tamper = token().tamper(move |_, claims| {
            claims.insert(claim.to_owned(), value.clone());
        });
        tamper.sign()
    };
    for (bad, why) in [
        (token().forged().sign(), "forged"),
        (token().unsigned().sign(), "unsigned"),
        (with("nonce", "n".into()), "with a nonce"),
        (with("aud", "other".into()), "for another application"),
        (
            with("iss", "https://evil.example".into()),
            "of another issuer",
        ),
        (with("events", json!({})), "without the event"),
        (with("exp", 7.into()), "expired"),
        ("garbage".to_owned(), "garbage"),
    ] {
        assert_eq!(scene.deliver(&bad), 400, "{why}");
    }
    assert_eq!(scene.ended(), []);
    assert_eq!(scene.deliver(&token().sign()), 200);
}

#[test]
fn a_token_may_come_again_where_the_application_has_failed() {
    let scene = Scene::new();
    let token = scene.fake.logout_token("app", "alice").sign();
    scene.application.is_broken.store(true, Ordering::SeqCst);
    assert_eq!(scene.deliver(&token), 400);
    scene.application.is_broken.store(false, Ordering::SeqCst);
    assert_eq!(scene.deliver(&token), 200);
    assert_eq!(scene.deliver(&token), 400);
    assert_eq!(scene.ended().len(), 1);
}
