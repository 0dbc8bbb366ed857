//! Whose session it is stands in the storage for as long as somebody is signed in.

#[path = "support/hooked.rs"]
mod hooked;

use std::sync::Arc;
use std::time::Duration;

use hooked::Hooked;
use logto::storage::{
    EncryptedStorage, EncryptionKey, MemoryStorage, PersistKey, Record, SessionKey, Storage,
};
use logto::{Logto, LogtoClient, LogtoConfig, OwnerDigest, Session, SessionId};
use logto_testing::{FakeLogto, FakeUser};

const REDIRECT_URI: &str = "http://localhost:3000/callback";
const RESOURCE: &str = "https://api.example.com";

struct Scene {
    fake: FakeLogto,
    logto: Logto,
    storage: Arc<dyn Storage>,
}

impl Scene {
    fn new(storage: impl Storage + 'static) -> Self {
        let fake = FakeLogto::builder()
            .user(FakeUser::new("alice"))
            .user(FakeUser::new("bob"))
            .resource(RESOURCE, ["read:items"])
            .start();
        let config = LogtoConfig::new(fake.endpoint(), fake.app_id())
            .app_secret(fake.app_secret())
            .resources([RESOURCE]);
        let logto = Logto::builder(config).clock(fake.clock()).build().unwrap();
        Self {
            fake,
            logto,
            storage: Arc::new(storage),
        }
    }

    /// The new id of a session in which this user has signed in.
    fn sign_in(&self, sub: &str, id: &SessionId) -> SessionId {
        let callback = self.callback(sub, id);
        let finished = self.logto.finish_sign_in(&self.storage, id, &callback);
        finished.unwrap().0
    }

    fn callback(&self, sub: &str, id: &SessionId) -> String {
        self.fake.sign_in_as(sub);
        let client = self.client(id);
        self.fake.authorize(&client.sign_in(REDIRECT_URI).unwrap())
    }

    fn client(&self, id: &SessionId) -> LogtoClient {
        self.logto.session(&self.storage, id)
    }

    fn found(&self, sub: &str) -> Vec<SessionKey> {
        self.found_by(OwnerDigest::of_user(&self.issuer(), sub))
    }

    fn found_by(&self, owner: OwnerDigest) -> Vec<SessionKey> {
        self.storage.find(&owner).unwrap()
    }

    fn issuer(&self) -> String {
        format!("{}/oidc", self.fake.endpoint())
    }
}

const NOBODY: [SessionKey; 0] = [];

#[test]
fn owner_finds_the_session_from_sign_in_to_sign_out() {
    let encrypted = EncryptedStorage::new(MemoryStorage::new(), EncryptionKey::from_bytes([7; 32]));
    for scene in [Scene::new(MemoryStorage::new()), Scene::new(encrypted)] {
        assert_eq!(scene.found("alice"), NOBODY);
        let visitor = SessionId::random();
        let callback = scene.callback("alice", &visitor);
        assert_eq!(scene.found("alice"), NOBODY, "not signed in yet");
        let finished = scene
            .logto
            .finish_sign_in(&scene.storage, &visitor, &callback);
        let (id, _) = finished.unwrap();
        let bob = scene.sign_in("bob", &SessionId::random());
        assert_eq!(scene.found("alice"), [id.key()]);
        assert_eq!(scene.found("bob"), [bob.key()]);

        let client = scene.client(&id);
        scene.fake.clock().advance(Duration::from_secs(3600));
        assert!(client.access_token(RESOURCE).unwrap().is_some());
        assert_eq!(scene.found("alice"), [id.key()], "after a refresh");

        client.sign_out("http://localhost:3000/").unwrap();
        assert_eq!(scene.found("alice"), NOBODY);
        assert_eq!(scene.found("bob"), [bob.key()]);
        let client = scene.client(&bob);
        client.clear_all_tokens().unwrap();
        assert_eq!(scene.found("bob"), NOBODY);
    }
}

#[test]
fn owner_changes_when_another_user_signs_in() {
    let scene = Scene::new(MemoryStorage::new());
    let id = SessionId::random();
    for sub in ["alice", "bob"] {
        let callback = scene.callback(sub, &id);
        let client = scene.client(&id);
        client.handle_sign_in_callback(&callback).unwrap();
    }
    assert_eq!(scene.found("alice"), NOBODY);
    assert_eq!(scene.found("bob"), [id.key()]);

    let new = scene.sign_in("alice", &id);
    assert_eq!(scene.found("alice"), [new.key()]);
    assert_eq!(scene.found("bob"), NOBODY);
}

#[test]
fn owner_finds_the_session_by_sid() {
    let scene = Scene::new(MemoryStorage::new());
    scene.fake.tamper_id_token(|_, claims| {
        claims.insert("sid".to_owned(), "seven".into());
    });
    let id = scene.sign_in("alice", &SessionId::random());
    let by = |sid| scene.found_by(OwnerDigest::of_server_session(&scene.issuer(), sid));
    assert_eq!(by("seven"), [id.key()]);
    assert_eq!(by("eight"), NOBODY);

    // A refresh need not name it again.
    scene.fake.tamper_id_token(|_, claims| {
        claims.remove("sid");
    });
    scene.fake.clock().advance(Duration::from_secs(3600));
    let client = scene.client(&id);
    client.access_token(RESOURCE).unwrap();
    assert_eq!(by("seven"), [id.key()]);
}

#[test]
fn owner_of_a_session_of_another_sdk_is_that_of_its_id_token() {
    let scene = Scene::new(MemoryStorage::new());
    scene.fake.tamper_id_token(|_, claims| {
        claims.insert("sid".to_owned(), "seven".into());
    });
    let signed_in = scene.client(&scene.sign_in("alice", &SessionId::random()));
    let id = SessionId::random();
    let imported = Session::new(Arc::clone(&scene.storage), id.key());
    for key in [PersistKey::RefreshToken, PersistKey::IdToken] {
        let value = signed_in.session().get(key).unwrap().unwrap();
        imported.set(key, &value).unwrap();
    }
    signed_in.clear_all_tokens().unwrap();
    assert_eq!(scene.found("alice"), [id.key()]);

    scene.fake.tamper_id_token(|_, claims| {
        claims.remove("sid");
    });
    let client = scene.client(&id);
    let by = |sid| scene.found_by(OwnerDigest::of_server_session(&scene.issuer(), sid));
    for _ in 0..2 {
        scene.fake.clock().advance(Duration::from_secs(3600));
        client.access_token(RESOURCE).unwrap();
        assert_eq!(scene.found("alice"), [id.key()]);
        assert_eq!(by("seven"), [id.key()]);
    }

    scene.fake.tamper_id_token(|_, claims| {
        claims.insert("sid".to_owned(), "eight".into());
    });
    scene.fake.clock().advance(Duration::from_secs(3600));
    client.access_token(RESOURCE).unwrap();
    assert_eq!(by("seven"), NOBODY);
    assert_eq!(by("eight"), [id.key()]);
}

#[test]
fn owner_stays_when_the_refresh_token_is_refused() {
    let scene = Scene::new(MemoryStorage::new());
    let id = scene.sign_in("alice", &SessionId::random());
    let client = scene.client(&id);
    let session = client.session();
    session
        .set(PersistKey::RefreshToken, "a token that nobody gave")
        .unwrap();
    scene.fake.clock().advance(Duration::from_secs(3600));
    assert!(
        client
            .access_token(RESOURCE)
            .unwrap_err()
            .requires_sign_in()
    );
    assert!(session.get(PersistKey::IdToken).unwrap().is_some());
    assert_eq!(scene.found("alice"), [id.key()]);
}

/// At each moment a session has tokens if and only if it has an owner.
#[test]
fn owner_is_saved_with_the_tokens() {
    let storage = Hooked::default();
    storage.hook(|_, call| {
        call.written().into_iter().for_each(assert_owned);
        Ok(())
    });
    let scene = Scene::new(storage);
    let id = scene.sign_in("alice", &SessionId::random());
    scene.fake.clock().advance(Duration::from_secs(3600));
    scene.client(&id).access_token(RESOURCE).unwrap().unwrap();
    scene.client(&id).clear_all_tokens().unwrap();
}

fn assert_owned(record: &Record) {
    let data: serde_json::Value = serde_json::from_str(record.data()).unwrap();
    for token in ["idToken", "refreshToken"] {
        assert_eq!(record.owner().is_some(), data.get(token).is_some());
    }
}
