//! What each flow costs: calls of the storage, and requests to the server. The counts are the same over every storage.

#[path = "../logto-storage-redis/tests/common/server.rs"]
mod server;

use std::sync::Arc;

use http::Request;
use logto::storage::{
    EncryptedStorage, EncryptionKey, FileStorage, MemoryStorage, RedisStorage, SledStorage,
    SqliteStorage, Storage,
};
use logto::web::WebAuth;
use logto::{AccessTokenRequest, Logto, LogtoClient, LogtoConfig, SessionId};
use logto_testing::{FakeApp, FakeLogto, FakeUser, Faulty, StorageCall};

const RESOURCE: &str = "https://api.example.com";
const REDIRECT_URI: &str = "http://localhost:3000/callback";
const BASE_URL: &str = "http://localhost:3000";

/// Calls of the storage, and requests to the server.
#[derive(Debug, Default, PartialEq, Eq)]
struct Costs {
    loads: usize,
    /// Each is durable when it returns.
    writes: usize,
    removals: usize,
    locks: usize,
    requests: usize,
}

/// An application that has the server's metadata and keys, and a user who is signed in.
struct Scene {
    fake: FakeLogto,
    storage: Arc<dyn Storage>,
    /// The innermost storage, which counts.
    counted: Faulty<Arc<dyn Storage>>,
    logto: Logto,
    id: SessionId,
}

impl Scene {
    fn new(
        app: FakeApp,
        inner: Arc<dyn Storage>,
        around: impl FnOnce(Faulty<Arc<dyn Storage>>) -> Arc<dyn Storage>,
    ) -> Self {
        let fake = FakeLogto::builder()
            .app(app)
            .user(FakeUser::new("alice"))
            .resource(RESOURCE, ["read:items"])
            .start();
        let clock = fake.clock();
        clock.freeze();
        let config = LogtoConfig::new(fake.endpoint(), "app").resources([RESOURCE]);
        let config = match fake.app_secret() {
            "" => config,
            secret => config.app_secret(secret),
        };
        let counted = Faulty::new(inner);
        let mut scene = Self {
            fake,
            storage: around(counted.clone()),
            counted,
            logto: Logto::builder(config).clock(clock).build().unwrap(),
            id: SessionId::random(),
        };
        let callback = scene.sign_in(&scene.id);
        scene.id = scene.finish(&scene.id, &callback);
        scene
    }

    fn client(&self) -> LogtoClient {
        self.logto.session(&self.storage, &self.id)
    }

    fn auth(&self) -> WebAuth {
        WebAuth::new(self.logto.clone(), Arc::clone(&self.storage), BASE_URL).unwrap()
    }

    fn sign_in(&self, id: &SessionId) -> String {
        let client = self.logto.session(&self.storage, id);
        self.fake.authorize(&client.sign_in(REDIRECT_URI).unwrap())
    }

    fn finish(&self, id: &SessionId, callback: &str) -> SessionId {
        let finished = self.logto.finish_sign_in(&self.storage, id, callback);
        finished.unwrap().0
    }

    #[track_caller]
    fn costs<T>(&self, expected: Costs, work: impl FnOnce() -> T) -> T {
        let before = self.so_far();
        let done = work();
        let after = self.so_far();
        let [loads, writes, removals, locks, requests, others] =
            std::array::from_fn(|n| after[n] - before[n]);
        let costs = Costs {
            loads,
            writes,
            removals,
            locks,
            requests,
        };
        assert_eq!(costs, expected, "{:?}", self.storage);
        assert_eq!(others, 0, "{:?}", self.storage);
        done
    }

    fn so_far(&self) -> [usize; 6] {
        let calls = |call| self.counted.calls(call);
        let asked = self.fake.requests().into_iter();
        let counts = [
            calls(StorageCall::Load),
            calls(StorageCall::Save) + calls(StorageCall::Replace),
            calls(StorageCall::Remove),
            calls(StorageCall::Lock),
        ];
        let others = calls(StorageCall::Any) - counts.iter().sum::<usize>();
        let [loads, writes, removals, locks] = counts;
        // Requests of the browser have no connection.
        let requests = asked.filter(|request| request.connection > 0).count();
        [loads, writes, removals, locks, requests, others]
    }
}

fn web() -> FakeApp {
    FakeApp::web("app", "s3cret")
}

/// Counts over every storage. Encryption stands around the storage that counts.
fn over_each_storage(app: fn() -> FakeApp, count: impl Fn(&Scene)) {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let key = || EncryptionKey::from_bytes([7; 32]);
    let redis = server::RedisServer::start();
    let storages: [Arc<dyn Storage>; 5] = [
        Arc::new(MemoryStorage::new()),
        Arc::new(SqliteStorage::open(path("sessions.db")).unwrap()),
        Arc::new(FileStorage::open(path("files"), key()).unwrap()),
        Arc::new(SledStorage::open(path("sled")).unwrap()),
        Arc::new(RedisStorage::open(&redis.url()).unwrap()),
    ];
    for storage in storages {
        count(&Scene::new(app(), storage, |counted| Arc::new(counted)));
    }
    let memory = Arc::new(MemoryStorage::new());
    count(&Scene::new(app(), memory, |counted| {
        Arc::new(EncryptedStorage::new(counted, key()))
    }));
}

fn one_load() -> Costs {
    Costs {
        loads: 1,
        ..Costs::default()
    }
}

#[test]
fn costs_of_a_page_of_a_signed_in_user() {
    over_each_storage(web, |scene| {
        let auth = scene.auth();
        let cookie = format!("logto={}", scene.id.expose());
        let request = Request::get("/orders").header("cookie", cookie);
        let request = request.body(()).unwrap();
        scene.costs(one_load(), || auth.require_user(&request).unwrap());
        assert!(scene.costs(one_load(), || scene.client().is_authenticated().unwrap()));
        scene.costs(one_load(), || scene.client().id_token_claims().unwrap());
    });
}

#[test]
fn costs_of_a_page_of_a_visitor_without_a_session() {
    over_each_storage(web, |scene| {
        let auth = scene.auth();
        let request = Request::get("/orders").body(()).unwrap();
        let user = scene.costs(Costs::default(), || auth.user(&request).unwrap());
        assert!(user.is_none());
    });
}

#[test]
fn costs_of_the_start_of_a_sign_in() {
    let expected = || Costs {
        loads: 1,
        writes: 1,
        ..Costs::default()
    };
    over_each_storage(web, |scene| {
        scene.costs(expected(), || scene.sign_in(&SessionId::random()));
    });
}

#[test]
fn costs_of_a_callback() {
    let expected = || Costs {
        loads: 2,
        writes: 1,
        locks: 1,
        requests: 1,
        ..Costs::default()
    };
    over_each_storage(web, |scene| {
        let id = SessionId::random();
        let callback = scene.sign_in(&id);
        scene.costs(expected(), || scene.finish(&id, &callback));
    });
}

#[test]
fn costs_of_a_cached_access_token() {
    over_each_storage(web, |scene| {
        scene.client().access_token(RESOURCE).unwrap().unwrap();
        let token = scene.costs(one_load(), || scene.client().access_token(RESOURCE));
        assert!(token.unwrap().is_some());
    });
}

fn refresh(scene: &Scene) {
    let request = AccessTokenRequest::from(RESOURCE).force_refresh(true);
    scene.client().access_token(request).unwrap().unwrap();
}

#[test]
fn costs_of_a_refresh() {
    let expected = || Costs {
        loads: 2,
        writes: 1,
        locks: 1,
        requests: 1,
        ..Costs::default()
    };
    over_each_storage(web, |scene| scene.costs(expected(), || refresh(scene)));
}

/// The rotated refresh token is durable before the rest of the response is verified.
#[test]
fn costs_of_a_refresh_that_rotates_the_refresh_token() {
    let expected = || Costs {
        loads: 2,
        writes: 2,
        locks: 1,
        requests: 1,
        ..Costs::default()
    };
    let native = || FakeApp::native("app");
    over_each_storage(native, |scene| scene.costs(expected(), || refresh(scene)));
}

#[test]
fn costs_of_a_sign_out() {
    let expected = || Costs {
        loads: 1,
        removals: 1,
        locks: 1,
        requests: 1,
        ..Costs::default()
    };
    over_each_storage(web, |scene| {
        scene.costs(expected(), || scene.client().sign_out(BASE_URL).unwrap());
    });
}
