//! What Logto's Python SDK has stored is read, and its users stay signed in.

mod adopt;
mod guide;
mod import;
mod python;
mod python_names;

use std::time::Duration;

use logto::storage::{OwnerDigest, SqliteStorage, Storage};
use logto::web::WebAuth;
use logto::{Logto, LogtoClient, LogtoConfig, Revocation, SessionId, UserInfoScope};
use logto_testing::{Endpoint, FakeApp, FakeLogto, FakeUser};
use tempfile::TempDir;

use adopt::adopt;
use import::{import, session_id};
use python::WebApp;

const RESOURCE: &str = "https://api.example.com";
/// As Django makes it; Flask-Session's is longer.
const SESSION: &str = "x2l9c8q0v5k3n7b1m6z4a8s2d0f9g5h3";

/// A server, the Python application, and ours with a store of its own.
struct Scene {
    fake: FakeLogto,
    python: WebApp,
    logto: Logto,
    store: SqliteStorage,
    _directory: TempDir,
}

impl Scene {
    fn new() -> Self {
        let alice = FakeUser::new("alice").name("Alice Example");
        let fake = FakeLogto::builder()
            .app(FakeApp::web("app", "secret"))
            .user(
                alice
                    .email("alice@example.com")
                    .organization("org_1", "Acme", ["admin"]),
            )
            .user(FakeUser::new("bob"))
            .resource(RESOURCE, ["read:items"])
            .start();
        let config = LogtoConfig::new(fake.endpoint(), fake.app_id())
            .app_secret(fake.app_secret())
            .resources([RESOURCE])
            .scopes([UserInfoScope::Email, UserInfoScope::Organizations])
            .scopes(["read:items"]);
        let directory = tempfile::tempdir().unwrap();
        Self {
            python: WebApp::new(fake.endpoint()),
            logto: Logto::builder(config).clock(fake.clock()).build().unwrap(),
            store: SqliteStorage::open(directory.path().join("sessions.db")).unwrap(),
            fake,
            _directory: directory,
        }
    }

    fn sign_in_with_python(&self, user: &str) {
        self.fake.sign_in_as(user);
        let url = self.python.sign_in(SESSION);
        self.python.callback(SESSION, &self.fake.authorize(&url));
    }

    /// The session in our store, from the Python application's database. Nothing has been asked yet.
    fn imported(&self) -> LogtoClient {
        assert_eq!(
            import(&self.store, self.python.export().as_bytes()).unwrap(),
            1
        );
        self.fake.clear_requests();
        self.logto.session(&self.store, &session_id(SESSION))
    }
}

#[test]
fn the_user_of_a_python_application_stays_signed_in() {
    let scene = Scene::new();
    scene.sign_in_with_python("alice");
    let tokens = ["", RESOURCE, "urn:logto:organization:org_1"]
        .map(|resource| (resource, scene.python.access_token(SESSION, resource)));
    let claims = scene.python.claims(SESSION);
    let client = scene.imported();

    assert!(client.is_authenticated().unwrap());
    let ours = serde_json::to_value(client.id_token_claims().unwrap()).unwrap();
    assert_eq!(claims["email"], "alice@example.com");
    for (name, value) in claims.as_object().unwrap() {
        assert_eq!(ours[name], *value, "{name}");
    }
    for (resource, token) in tokens {
        assert_eq!(client.access_token(resource).unwrap(), Some(token));
    }
    assert_eq!(scene.fake.requests().len(), 0);
    assert_eq!(client.fetch_user_info().unwrap().sub, "alice");
}

#[test]
fn its_tokens_are_refreshed_and_it_signs_out() {
    let scene = Scene::new();
    scene.sign_in_with_python("alice");
    let old = scene.python.access_token(SESSION, RESOURCE);
    let client = scene.imported();
    let refresh_token = client.refresh_token().unwrap().unwrap();

    scene.fake.clock().advance(Duration::from_secs(3600));
    let new = client.access_token(RESOURCE).unwrap().unwrap();
    assert_ne!(new, old);
    let requests = scene.fake.requests_to(Endpoint::Token);
    assert_eq!(requests.len(), 1);
    assert_eq!(
        requests[0].form_value("refresh_token"),
        Some(refresh_token.as_str())
    );
    assert_eq!(client.access_token(RESOURCE).unwrap(), Some(new));
    assert_eq!(scene.fake.requests_to(Endpoint::Token).len(), 1);

    let sign_out = client.sign_out("http://localhost:3000/").unwrap();
    assert!(matches!(sign_out.revocation, Revocation::Revoked));
    assert!(sign_out.url.contains("id_token_hint="), "{}", sign_out.url);
    assert!(!client.is_authenticated().unwrap());
}

#[test]
fn a_sign_in_that_was_begun_in_python_is_finished_here() {
    let scene = Scene::new();
    scene.fake.sign_in_as("alice");
    let url = scene.python.sign_in(SESSION);
    let client = scene.imported();
    let callback = scene.fake.authorize(&url);

    assert!(!client.is_authenticated().unwrap());
    assert!(client.is_sign_in_redirected(&callback).unwrap());
    let old_id = session_id(SESSION);
    let finished = scene
        .logto
        .finish_sign_in(&scene.store, &old_id, &callback)
        .unwrap();
    assert_eq!(finished.1.claims.sub, "alice");
    assert!(!client.is_authenticated().unwrap(), "it has a new id");
    let client = scene.logto.session(&scene.store, &finished.0);
    assert!(client.access_token(RESOURCE).unwrap().is_some());
}

#[test]
fn back_channel_logout_finds_it() {
    let scene = Scene::new();
    scene.sign_in_with_python("alice");
    let client = scene.imported();
    let alice = OwnerDigest::of_user(scene.fake.issuer(), "alice");
    assert_eq!(scene.store.find(&alice).unwrap().len(), 1);
    assert!(client.is_authenticated().unwrap());
}

#[test]
fn the_cookie_of_the_python_application_is_as_good_as_ours() {
    let scene = Scene::new();
    scene.sign_in_with_python("alice");
    scene.imported();
    let auth = WebAuth::new(
        scene.logto.clone(),
        scene.store.clone(),
        "https://app.example.com",
    );
    let auth = auth.unwrap();
    let sub = |cookie: &str| {
        let request = http::Request::get("/").header("cookie", cookie);
        let mut request = request.body(()).unwrap();
        adopt(request.headers_mut(), "sessionid", "__Host-logto");
        let user = auth.user(&request).unwrap();
        user.map(|user| user.claims().sub.clone())
    };
    let theirs = format!("a=1; sessionid={SESSION}");
    assert_eq!(sub(&theirs).as_deref(), Some("alice"));
    assert_eq!(sub("sessionid=another"), None);
    assert_eq!(sub("a=1"), None);
    let ours = SessionId::random();
    let both = format!("{theirs}; __Host-logto={}", ours.expose());
    assert_eq!(sub(&both), None, "ours counts");
}

/// The Python SDK keeps the access tokens of whoever was signed in before.
#[test]
fn nobody_is_given_the_tokens_of_another_user() {
    let scene = Scene::new();
    scene.sign_in_with_python("alice");
    let of_alice = scene.python.access_token(SESSION, RESOURCE);
    scene.sign_in_with_python("bob");
    assert_eq!(
        scene.python.access_token(SESSION, RESOURCE),
        of_alice,
        "if the Python SDK no longer does that, it need not be said"
    );
    let client = scene.imported();
    assert_eq!(client.id_token_claims().unwrap().sub, "bob");
    assert_eq!(client.access_token_claims(RESOURCE).unwrap().sub, "bob");
}

/// A sign-in was begun by which somebody else may come: nobody is signed in, and nothing may be cached.
#[test]
fn a_session_without_a_user_has_no_tokens() {
    let scene = Scene::new();
    scene.sign_in_with_python("alice");
    scene.python.access_token(SESSION, RESOURCE);
    scene.python.sign_in(SESSION);
    let client = scene.imported();
    assert!(!client.is_authenticated().unwrap());
    assert_eq!(client.access_token(RESOURCE).unwrap(), None);
}
