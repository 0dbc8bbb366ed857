//! Logto tells of a sign-out, and the sessions of that user end.

use std::sync::Arc;

use http::{Request, Response, header};
use logto::storage::{EncryptedStorage, EncryptionKey, MemoryStorage, SqliteStorage, Storage};
use logto::web::{self, LONGEST_BODY, WebAuth};
use logto::{Logto, LogtoClient, LogtoConfig, OwnerDigest, Record, SessionId, StorageErrorKind};
use logto_testing::{FakeApp, FakeLogto, FakeUser, Faulty, StorageCall};
use url::form_urlencoded;

const REDIRECT_URI: &str = "http://localhost:3000/callback";
const ROUTE: &str = "/backchannel-logout";
const FORM: &str = "application/x-www-form-urlencoded";

fn fake(app: FakeApp) -> FakeLogto {
    FakeLogto::builder()
        .app(app)
        .user(FakeUser::new("alice"))
        .user(FakeUser::new("bob"))
        .start()
}

fn logto(fake: &FakeLogto) -> Logto {
    let config = LogtoConfig::new(fake.endpoint(), "app").app_secret("secret");
    Logto::builder(config).clock(fake.clock()).build().unwrap()
}

fn auth(logto: &Logto, storage: impl Storage + 'static) -> WebAuth {
    WebAuth::builder(logto.clone(), storage, "http://localhost:3000")
        .back_channel_logout_path(ROUTE)
        .build()
        .unwrap()
}

/// In a browser of its own.
fn sign_in(
    fake: &FakeLogto,
    logto: &Logto,
    storage: &(impl Storage + Clone + 'static),
    user: &str,
) -> LogtoClient {
    fake.sign_in_as(user);
    let planted = SessionId::random();
    let client = logto.session(storage, &planted);
    let callback = fake.authorize(&client.sign_in(REDIRECT_URI).unwrap());
    let (id, _) = logto.finish_sign_in(storage, &planted, &callback).unwrap();
    logto.session(storage, &id)
}

fn is_signed_in(client: &LogtoClient) -> bool {
    client.is_authenticated().unwrap()
}

fn post(auth: &WebAuth, token: &str) -> Response<Vec<u8>> {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("logout_token", token)
        .finish();
    post_body(auth, body.into_bytes())
}

fn post_body(auth: &WebAuth, body: Vec<u8>) -> Response<Vec<u8>> {
    let request = Request::post(ROUTE)
        .header(header::CONTENT_TYPE, FORM)
        .body(body)
        .unwrap();
    assert!(auth.reads_body(&request));
    auth.handle(&request).unwrap()
}

#[test]
fn back_channel_logout_ends_the_users_sessions_and_no_others() {
    let fake = fake(FakeApp::web("app", "secret"));
    let logto = logto(&fake);
    let directory = tempfile::tempdir().unwrap();
    let storage = SqliteStorage::open(directory.path().join("sessions.db")).unwrap();
    let auth = auth(&logto, storage.clone());
    let server = rouille::Server::new("127.0.0.1:0", move |request| {
        let response = web::rouille::handle(&auth, request);
        response.unwrap_or_else(rouille::Response::empty_404)
    })
    .unwrap();
    let address = server.server_addr();
    let (handle, stop) = server.stoppable();
    fake.set_backchannel_logout_uri("app", format!("http://{address}{ROUTE}"));

    let bob = sign_in(&fake, &logto, &storage, "bob");
    let alice = [(); 2].map(|()| sign_in(&fake, &logto, &storage, "alice"));
    fake.end_sessions("alice");
    let deliveries = fake.logout_deliveries();
    assert!(!deliveries.is_empty());
    for delivery in deliveries {
        assert_eq!(delivery.outcome, Ok(200), "{}", delivery.uri);
    }
    assert!(alice.iter().all(|client| !is_signed_in(client)));
    assert_eq!(alice[0].refresh_token().unwrap(), None);
    assert!(is_signed_in(&bob));
    stop.send(()).unwrap();
    handle.join().unwrap();
}

#[test]
fn back_channel_logout_with_a_sid_ends_only_its_sessions() {
    let app = FakeApp::web("app", "secret").backchannel_logout_session_required();
    let fake = fake(app);
    let logto = logto(&fake);
    let key = EncryptionKey::from_bytes([7; 32]);
    let storage = Arc::new(EncryptedStorage::new(MemoryStorage::new(), key));
    let auth = auth(&logto, Arc::clone(&storage));
    let laptop = sign_in(&fake, &logto, &storage, "alice");
    let sid = laptop.id_token_claims().unwrap().sid.unwrap();

    let another = fake.logout_token("app", "alice").session("another");
    assert_eq!(post(&auth, &another.sign()).status(), 200);
    assert!(is_signed_in(&laptop));

    let this = fake.logout_token("app", "alice").session(sid);
    assert_eq!(post(&auth, &this.sign()).status(), 200);
    assert!(!is_signed_in(&laptop));
}

#[test]
fn back_channel_logout_with_a_sid_ends_sessions_without_one() {
    let fake = fake(FakeApp::web("app", "secret"));
    let logto = logto(&fake);
    let storage = Arc::new(MemoryStorage::new());
    let auth = auth(&logto, Arc::clone(&storage));
    let alice = sign_in(&fake, &logto, &storage, "alice");
    let bob = sign_in(&fake, &logto, &storage, "bob");
    assert_eq!(alice.id_token_claims().unwrap().sid, None);
    let token = fake.logout_token("app", "alice").session("some");
    assert_eq!(post(&auth, &token.sign()).status(), 200);
    assert!(!is_signed_in(&alice) && is_signed_in(&bob));
}

#[test]
fn logout_token_that_is_refused_ends_nothing() {
    let fake = fake(FakeApp::web("app", "secret"));
    let logto = logto(&fake);
    let storage = Arc::new(MemoryStorage::new());
    let auth = auth(&logto, Arc::clone(&storage));
    let alice = sign_in(&fake, &logto, &storage, "alice");
    let id_token = alice.id_token().unwrap().unwrap();
    let forged = fake.logout_token("app", "alice").forged().sign();
    for token in [id_token, forged, "opaque".to_owned(), String::new()] {
        let answer = post(&auth, &token);
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert!(answer.body().starts_with(b"{\"error\":"));
    }
    assert_eq!(post_body(&auth, vec![b'a'; LONGEST_BODY + 1]).status(), 400);
    let by_get = Request::get(ROUTE).body(Vec::new()).unwrap();
    assert_eq!(auth.handle(&by_get).unwrap().status(), 405);
    assert!(is_signed_in(&alice));
}

#[test]
fn logout_token_is_accepted_once() {
    let fake = fake(FakeApp::web("app", "secret"));
    let logto = logto(&fake);
    let storage = Arc::new(MemoryStorage::new());
    let auth = auth(&logto, Arc::clone(&storage));
    sign_in(&fake, &logto, &storage, "alice");
    let token = fake.logout_token("app", "alice").sign();
    assert_eq!(post(&auth, &token).status(), 200);
    let again = sign_in(&fake, &logto, &storage, "alice");
    assert_eq!(post(&auth, &token).status(), 400);
    assert!(is_signed_in(&again));
}

#[test]
fn corrupt_session_does_not_save_the_others() {
    let fake = fake(FakeApp::web("app", "secret"));
    let logto = logto(&fake);
    let inner = MemoryStorage::new();
    let key = EncryptionKey::from_bytes([7; 32]);
    let storage = Arc::new(EncryptedStorage::new(inner.clone(), key));
    let auth = auth(&logto, Arc::clone(&storage));
    let alice = [(); 3].map(|()| sign_in(&fake, &logto, &storage, "alice"));
    let issuer = format!("{}/oidc", fake.endpoint());
    let owner = OwnerDigest::of_user(&issuer, "alice");
    let damaged = storage.find(&owner).unwrap()[0];
    let whole = inner.load(&damaged).unwrap().unwrap();
    let record = Record::new(whole.owner(), "damaged");
    inner
        .save(&damaged, &record, Some(whole.version()))
        .unwrap();

    let token = fake.logout_token("app", "alice").sign();
    assert_eq!(
        post(&auth, &token).status(),
        200,
        "a retry could do no more"
    );
    let left = alice
        .iter()
        .filter(|client| !matches!(client.is_authenticated(), Ok(false)));
    assert_eq!(left.count(), 1);
}

#[test]
fn storage_error_leaves_a_session_to_the_next_logout_request() {
    let fake = fake(FakeApp::web("app", "secret"));
    let logto = logto(&fake);
    let storage = Faulty::new(MemoryStorage::new());
    let auth = auth(&logto, storage.clone());
    let alice = [(); 2].map(|()| sign_in(&fake, &logto, &storage, "alice"));
    let token = fake.logout_token("app", "alice").sign();

    storage.fail(StorageCall::Load, 1, StorageErrorKind::Backend);
    assert_eq!(post(&auth, &token).status(), 400);
    let left = alice.iter().filter(|client| is_signed_in(client)).count();
    assert_eq!(left, 1);

    assert_eq!(post(&auth, &token).status(), 200);
    assert!(alice.iter().all(|client| !is_signed_in(client)));
}

#[test]
fn logout_token_is_accepted_again_after_a_storage_error() {
    let fake = fake(FakeApp::web("app", "secret"));
    let logto = logto(&fake);
    let storage = Faulty::new(MemoryStorage::new());
    let auth = auth(&logto, storage.clone());
    let alice = [(); 2].map(|()| sign_in(&fake, &logto, &storage, "alice"));
    let token = fake.logout_token("app", "alice").sign();

    storage.fail(StorageCall::Save, 1, StorageErrorKind::Backend);
    assert_eq!(post(&auth, &token).status(), 400);
    // The one that could not be ended did not save the other.
    assert_eq!(
        alice.iter().filter(|client| is_signed_in(client)).count(),
        1
    );

    assert_eq!(post(&auth, &token).status(), 200);
    assert!(alice.iter().all(|client| !is_signed_in(client)));
}
