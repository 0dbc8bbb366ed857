//! A sign-in while another process writes to the same session, between the moment at which ours reads it
//! and the one at which it writes.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use logto::storage::{SqliteStorage, StorageLock};
use logto::{
    CallbackError, Change, FoundSession, Logto, LogtoConfig, LogtoError, OwnerDigest, PersistKey,
    SessionId, Storage, StorageError,
};
use logto_testing::{Endpoint, FakeLogto, FakeUser, Misbehaviour};
use tempfile::TempDir;

const REDIRECT_URI: &str = "http://localhost:3000/callback";

type Interference = Box<dyn FnOnce(&SqliteStorage) + Send>;

/// A store in which somebody else writes just before one of our writes does.
#[derive(Clone)]
struct Interfered {
    store: SqliteStorage,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Before the next write that is left, from the last one to the next.
    interferences: Mutex<Vec<Interference>>,
    writes: AtomicUsize,
}

impl Interfered {
    /// Before the next write.
    fn interfere(&self, others: impl FnOnce(&SqliteStorage) + Send + 'static) {
        self.interfere_after(0, others);
    }

    /// Before the write that comes after so many.
    fn interfere_after(&self, writes: usize, others: impl FnOnce(&SqliteStorage) + Send + 'static) {
        let mut interferences = self.shared.interferences.lock().unwrap();
        interferences.push(Box::new(others));
        for _ in 0..writes {
            interferences.push(Box::new(|_| ()));
        }
        self.shared.writes.store(0, Ordering::SeqCst);
    }

    fn before_a_write(&self) {
        self.shared.writes.fetch_add(1, Ordering::SeqCst);
        let next = self.shared.interferences.lock().unwrap().pop();
        if let Some(others) = next {
            // On another thread, as what holds no lock of this one's.
            thread::scope(|scope| scope.spawn(|| others(&self.store)).join().unwrap());
        }
    }

    fn writes(&self) -> usize {
        self.shared.writes.load(Ordering::SeqCst)
    }

    fn around(&self, session: Arc<dyn Storage>) -> Arc<dyn Storage> {
        let store = self.clone();
        Arc::new(InterferedSession { store, session })
    }
}

impl fmt::Debug for Interfered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interfered")
    }
}

impl Storage for Interfered {
    fn session(&self, id: &SessionId) -> Arc<dyn Storage> {
        self.around(self.store.session(id))
    }

    fn rename(&self, from: &SessionId, to: &SessionId) -> Result<(), StorageError> {
        self.store.rename(from, to)
    }

    fn replace(
        &self,
        from: &SessionId,
        to: &SessionId,
        changes: &[Change<'_>],
    ) -> Result<(), StorageError> {
        self.before_a_write();
        self.store.replace(from, to, changes)
    }

    fn remove(&self, id: &SessionId) -> Result<(), StorageError> {
        self.store.remove(id)
    }

    fn purge_expired(&self) -> Result<u64, StorageError> {
        self.store.purge_expired()
    }

    fn find(&self, owner: &OwnerDigest) -> Result<Vec<FoundSession>, StorageError> {
        self.store.find(owner)
    }
}

/// The same with what a store must have, and no more.
#[derive(Debug)]
struct Minimal(Interfered);

impl Storage for Minimal {
    fn session(&self, id: &SessionId) -> Arc<dyn Storage> {
        self.0.session(id)
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
struct InterferedSession {
    store: Interfered,
    session: Arc<dyn Storage>,
}

impl Storage for InterferedSession {
    fn get(&self, key: PersistKey) -> Result<Option<String>, StorageError> {
        self.session.get(key)
    }

    fn set(&self, key: PersistKey, value: Option<&str>) -> Result<(), StorageError> {
        self.session.set(key, value)
    }

    fn update(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        self.store.before_a_write();
        self.session.update(changes)
    }

    fn update_unsynced(&self, changes: &[Change<'_>]) -> Result<(), StorageError> {
        self.store.before_a_write();
        self.session.update_unsynced(changes)
    }

    fn lock(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        self.session.lock(timeout)
    }

    fn lock_to_write(&self, timeout: Duration) -> Result<StorageLock<'_>, StorageError> {
        self.session.lock_to_write(timeout)
    }
}

struct Scene {
    fake: FakeLogto,
    logto: Logto,
    store: Interfered,
    id: SessionId,
    directory: TempDir,
}

impl Scene {
    fn new() -> Self {
        let fake = FakeLogto::builder().user(FakeUser::new("alice")).start();
        let config = LogtoConfig::new(fake.endpoint(), fake.app_id()).app_secret(fake.app_secret());
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStorage::open(directory.path().join("sessions.db")).unwrap();
        Self {
            logto: Logto::builder(config).clock(fake.clock()).build().unwrap(),
            fake,
            store: Interfered {
                store,
                shared: Arc::default(),
            },
            id: SessionId::random(),
            directory,
        }
    }

    /// The URL of a sign-in that is under way.
    fn sign_in(&self) -> String {
        let client = self.logto.session(&self.store, &self.id);
        client.sign_in(REDIRECT_URI).unwrap()
    }

    fn finish(&self, callback: &str) -> Result<SessionId, LogtoError> {
        self.finish_in(&self.store, callback)
    }

    fn finish_in(&self, store: &dyn Storage, callback: &str) -> Result<SessionId, LogtoError> {
        let finished = self.logto.finish_sign_in(store, &self.id, callback);
        finished.map(|(id, _)| id)
    }

    /// By the store itself, and by one that makes a replacement of two writes.
    fn stores(&self) -> [Box<dyn Storage>; 2] {
        let minimal = Minimal(self.store.clone());
        [Box::new(self.store.clone()), Box::new(minimal)]
    }

    fn sessions(&self) -> usize {
        let mut sessions = 0;
        let count = &mut |_| {
            sessions += 1;
            Ok(())
        };
        self.store.store.for_each(count).unwrap();
        sessions
    }

    fn is_authenticated(&self, id: &SessionId) -> bool {
        let client = self.logto.session(&self.store, id);
        client.is_authenticated().unwrap()
    }

    fn token_requests(&self) -> usize {
        self.fake.requests_to(Endpoint::Token).len()
    }

    /// What the session has as its sign-ins under way.
    fn stored_sign_ins(&self) -> Option<String> {
        let session = self.store.store.session(&self.id);
        session.get(PersistKey::SignInSession).unwrap()
    }
}

fn write_anything(store: &SqliteStorage, id: &SessionId) {
    let session = store.session(id);
    session
        .set(PersistKey::AccessTokenMap, Some(r#"{"x":{}}"#))
        .unwrap();
}

#[test]
fn what_others_write_is_waited_for_and_nothing_is_lost() {
    for writes_before in 0..2 {
        let scene = Scene::new();
        let id = scene.id.clone();
        scene
            .store
            .interfere(move |store| write_anything(store, &id));
        let url = scene.sign_in();
        assert_eq!(scene.store.writes(), 2, "begun anew");

        let callback = scene.fake.authorize(&url);
        let id = scene.id.clone();
        scene
            .store
            .interfere_after(writes_before, move |store| write_anything(store, &id));
        let new_id = scene.finish(&callback).unwrap();
        assert_eq!(scene.store.writes(), 3, "one of two begun anew");
        assert_eq!(scene.token_requests(), 1);
        assert!(scene.is_authenticated(&new_id));
        assert!(!scene.is_authenticated(&scene.id));
    }
}

#[test]
fn a_sign_in_that_another_process_has_begun_meanwhile_is_kept() {
    let scene = Scene::new();
    let theirs = scene.sign_in();
    let stored = scene.stored_sign_ins();
    scene.store.store.remove(&scene.id).unwrap();
    let id = scene.id.clone();
    scene.store.interfere(move |store| {
        let session = store.session(&id);
        session
            .set(PersistKey::SignInSession, stored.as_deref())
            .unwrap();
    });
    let ours = scene.sign_in();
    for url in [theirs, ours] {
        let callback = scene.fake.authorize(&url);
        let client = scene.logto.session(&scene.store, &scene.id);
        client.handle_sign_in_callback(&callback).unwrap();
    }
}

#[test]
fn a_code_that_another_process_has_taken_meanwhile_is_not_sent() {
    let scene = Scene::new();
    let callback = scene.fake.authorize(&scene.sign_in());
    let before = scene.stored_sign_ins();
    // As it is stored once the other process has taken it.
    let client = scene.logto.session(&scene.store, &scene.id);
    let refused = Misbehaviour::Status(500);
    scene.fake.misbehave_times(Endpoint::Token, 1, refused);
    client.handle_sign_in_callback(&callback).unwrap_err();
    let taken = scene.stored_sign_ins();
    let session = scene.store.store.session(&scene.id);
    session
        .set(PersistKey::SignInSession, before.as_deref())
        .unwrap();

    let requests = scene.token_requests();
    let id = scene.id.clone();
    scene.store.interfere(move |store| {
        let session = store.session(&id);
        session
            .set(PersistKey::SignInSession, taken.as_deref())
            .unwrap();
    });
    let error = scene.finish(&callback).unwrap_err();
    assert!(
        matches!(error, LogtoError::Callback(CallbackError::AlreadyUsed)),
        "{error:?}"
    );
    assert_eq!(scene.token_requests(), requests);
}

#[test]
fn who_signs_out_in_another_process_meanwhile_is_not_signed_in() {
    let scene = Scene::new();
    for store in scene.stores() {
        let callback = scene.fake.authorize(&scene.sign_in());
        let id = scene.id.clone();
        scene.store.interfere_after(1, move |store| {
            store.remove(&id).unwrap();
        });
        let error = scene.finish_in(&*store, &callback).unwrap_err();
        assert!(
            matches!(
                error,
                LogtoError::Callback(CallbackError::SignedOutMeanwhile)
            ),
            "{error:?}"
        );
        assert_eq!(scene.sessions(), 0);
    }
}

#[test]
fn a_refresh_that_another_process_has_begun_meanwhile_is_waited_for() {
    let scene = Scene::new();
    let path = scene.directory.path().join("sessions.db");
    for store in scene.stores() {
        let callback = scene.fake.authorize(&scene.sign_in());
        let has_ended = Arc::new(AtomicBool::new(false));
        let (id, path, ends) = (scene.id.digest(), path.clone(), Arc::clone(&has_ended));
        scene.store.interfere_after(1, move |_| {
            let other = rusqlite::Connection::open(path).unwrap();
            let sql = "INSERT INTO leases VALUES (?1, randomblob(32), 0, 60000, NULL)";
            other.execute(sql, [id]).unwrap();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(100));
                ends.store(true, Ordering::SeqCst);
                other.execute("DELETE FROM leases", []).unwrap();
            });
        });
        let new_id = scene.finish_in(&*store, &callback).unwrap();
        assert!(has_ended.load(Ordering::SeqCst));
        assert!(scene.is_authenticated(&new_id));
    }
}
