//! Whose session it is stands in the storage for as long as somebody is signed in.

use std::sync::Arc;
use std::time::Duration;

use logto::storage::{EncryptedStorage, EncryptionKey, MemoryStorage};
use logto::{
    FoundSession, Logto, LogtoConfig, OwnerDigest, PersistKey, SessionId, SessionOwner, Storage,
    StorageError,
};
use logto_testing::{FakeLogto, FakeUser};

const REDIRECT_URI: &str = "http://localhost:3000/callback";
const RESOURCE: &str = "https://api.example.com";

struct Scene {
    fake: FakeLogto,
    logto: Logto,
    store: Box<dyn Storage>,
}

impl Scene {
    fn new(store: impl Storage + 'static) -> Self {
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
            store: Box::new(store),
        }
    }

    /// The new id of a session in which this user has signed in.
    fn sign_in(&self, sub: &str, id: &SessionId) -> SessionId {
        let callback = self.callback(sub, id);
        let finished = self.logto.finish_sign_in(&*self.store, id, &callback);
        finished.unwrap().0
    }

    fn callback(&self, sub: &str, id: &SessionId) -> String {
        self.fake.sign_in_as(sub);
        let client = self.logto.session(&*self.store, id);
        self.fake.authorize(&client.sign_in(REDIRECT_URI).unwrap())
    }

    fn found(&self, sub: &str) -> Vec<[u8; 32]> {
        self.found_by(OwnerDigest::of_user(&self.issuer(), sub))
    }

    fn found_by(&self, owner: OwnerDigest) -> Vec<[u8; 32]> {
        let found = self.store.find(&owner).unwrap();
        found.iter().map(FoundSession::digest).collect()
    }

    fn issuer(&self) -> String {
        format!("{}/oidc", self.fake.endpoint())
    }
}

const NOBODY: [[u8; 32]; 0] = [];

#[test]
fn a_session_is_found_by_its_user_from_sign_in_to_sign_out() {
    let encrypted = EncryptedStorage::new(MemoryStorage::new(), EncryptionKey::from_bytes([7; 32]));
    for scene in [Scene::new(MemoryStorage::new()), Scene::new(encrypted)] {
        assert_eq!(scene.found("alice"), NOBODY);
        let visitor = SessionId::random();
        let callback = scene.callback("alice", &visitor);
        assert_eq!(scene.found("alice"), NOBODY, "not signed in yet");
        let finished = scene
            .logto
            .finish_sign_in(&*scene.store, &visitor, &callback);
        let (id, _) = finished.unwrap();
        let bob = scene.sign_in("bob", &SessionId::random());
        assert_eq!(scene.found("alice"), [id.digest()]);
        assert_eq!(scene.found("bob"), [bob.digest()]);

        let client = scene.logto.session(&*scene.store, &id);
        scene.fake.clock().advance(Duration::from_secs(3600));
        assert!(client.access_token(RESOURCE).unwrap().is_some());
        assert_eq!(scene.found("alice"), [id.digest()], "after a refresh");

        client.sign_out("http://localhost:3000/").unwrap();
        assert_eq!(scene.found("alice"), NOBODY);
        assert_eq!(scene.found("bob"), [bob.digest()]);
        let client = scene.logto.session(&*scene.store, &bob);
        client.clear_all_tokens().unwrap();
        assert_eq!(scene.found("bob"), NOBODY);
    }
}

#[test]
fn a_user_who_signs_in_within_the_session_of_another_takes_it_over() {
    let scene = Scene::new(MemoryStorage::new());
    let id = SessionId::random();
    for sub in ["alice", "bob"] {
        let callback = scene.callback(sub, &id);
        let client = scene.logto.session(&*scene.store, &id);
        client.handle_sign_in_callback(&callback).unwrap();
    }
    assert_eq!(scene.found("alice"), NOBODY);
    assert_eq!(scene.found("bob"), [id.digest()]);

    let new = scene.sign_in("alice", &id);
    assert_eq!(scene.found("alice"), [new.digest()]);
    assert_eq!(scene.found("bob"), NOBODY);
}

#[test]
fn a_session_is_found_by_that_of_the_server() {
    let scene = Scene::new(MemoryStorage::new());
    scene.fake.tamper_id_token(|_, claims| {
        claims.insert("sid".to_owned(), "seven".into());
    });
    let id = scene.sign_in("alice", &SessionId::random());
    let by = |sid| scene.found_by(OwnerDigest::of_server_session(&scene.issuer(), sid));
    assert_eq!(by("seven"), [id.digest()]);
    assert_eq!(by("eight"), NOBODY);

    // A refresh need not name it again.
    scene.fake.tamper_id_token(|_, claims| {
        claims.remove("sid");
    });
    scene.fake.clock().advance(Duration::from_secs(3600));
    let client = scene.logto.session(&*scene.store, &id);
    client.access_token(RESOURCE).unwrap();
    assert_eq!(by("seven"), [id.digest()]);
}

#[test]
fn a_session_that_another_sdk_stored_is_found_after_a_refresh() {
    let scene = Scene::new(MemoryStorage::new());
    scene.fake.tamper_id_token(|_, claims| {
        claims.insert("sid".to_owned(), "seven".into());
    });
    let id = scene.sign_in("alice", &SessionId::random());
    let session = scene.store.session(&id);
    session.set(PersistKey::Owner, None).unwrap();
    assert_eq!(scene.found("alice"), NOBODY);

    scene.fake.tamper_id_token(|_, claims| {
        claims.remove("sid");
    });
    let client = scene.logto.session(&*scene.store, &id);
    let by = |sid| scene.found_by(OwnerDigest::of_server_session(&scene.issuer(), sid));
    for _ in 0..2 {
        scene.fake.clock().advance(Duration::from_secs(3600));
        client.access_token(RESOURCE).unwrap();
        assert_eq!(scene.found("alice"), [id.digest()]);
        assert_eq!(by("seven"), [id.digest()]);
    }

    scene.fake.tamper_id_token(|_, claims| {
        claims.insert("sid".to_owned(), "eight".into());
    });
    scene.fake.clock().advance(Duration::from_secs(3600));
    client.access_token(RESOURCE).unwrap();
    assert_eq!(by("seven"), NOBODY);
    assert_eq!(by("eight"), [id.digest()]);
}

#[test]
fn a_session_whose_refresh_token_is_refused_is_still_its_users() {
    let scene = Scene::new(MemoryStorage::new());
    let id = scene.sign_in("alice", &SessionId::random());
    let session = scene.store.session(&id);
    session
        .set(PersistKey::RefreshToken, Some("a token that nobody gave"))
        .unwrap();
    scene.fake.clock().advance(Duration::from_secs(3600));
    let client = scene.logto.session(&*scene.store, &id);
    assert!(
        client
            .access_token(RESOURCE)
            .unwrap_err()
            .requires_sign_in()
    );
    assert!(session.get(PersistKey::IdToken).unwrap().is_some());
    assert_eq!(scene.found("alice"), [id.digest()]);
}

#[test]
fn the_owner_is_written_with_the_tokens() {
    let scene = Scene::new(Watched(MemoryStorage::new()));
    scene.sign_in("alice", &SessionId::random());
}

/// At each moment a session has tokens if and only if it has an owner.
#[derive(Debug)]
struct Watched(MemoryStorage);

impl Storage for Watched {
    fn session(&self, id: &SessionId) -> Arc<dyn Storage> {
        Arc::new(WatchedSession(self.0.session(id)))
    }

    fn rename(&self, from: &SessionId, to: &SessionId) -> Result<(), StorageError> {
        self.0.rename(from, to)
    }

    fn remove(&self, id: &SessionId) -> Result<(), StorageError> {
        self.0.remove(id)
    }

    fn purge_expired(&self) -> Result<u64, StorageError> {
        self.0.purge_expired()
    }
}

#[derive(Debug)]
struct WatchedSession(Arc<dyn Storage>);

impl Storage for WatchedSession {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        self.0.get(key)
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.update(&[logto::Change { key, value }])
    }

    fn update(&self, changes: &[logto::Change<'_>]) -> Result<(), StorageError> {
        self.0.update(changes)?;
        let owner = self.0.get(PersistKey::Owner)?;
        let is_owned = owner.is_some_and(|text| SessionOwner::of_value(&text).is_some());
        assert_eq!(is_owned, self.0.get(PersistKey::IdToken)?.is_some());
        assert_eq!(is_owned, self.0.get(PersistKey::RefreshToken)?.is_some());
        Ok(())
    }

    fn lock(&self, timeout: Duration) -> Result<logto::StorageLock<'_>, StorageError> {
        self.0.lock(timeout)
    }
}
