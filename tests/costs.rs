//! What each thing costs: how often the storage is asked, and how often the server.

use http::Request;
use logto::storage::MemoryStorage;
use logto::web::WebAuth;
use logto::{AccessTokenRequest, Logto, LogtoConfig, SessionId};
use logto_testing::{FakeApp, FakeLogto, FakeUser, Faulty, StorageCall};

const RESOURCE: &str = "https://api.example.com";
const REDIRECT_URI: &str = "http://localhost:3000/callback";

/// Calls of the storage and of the store, and requests to the server.
#[derive(Debug, PartialEq, Eq)]
struct Costs {
    reads: usize,
    /// Durable ones.
    writes: usize,
    unsynced: usize,
    locks: usize,
    removals: usize,
    requests: usize,
}

/// An application that has the server's metadata and keys, and a user who is signed in.
struct Scene {
    fake: FakeLogto,
    store: Faulty<MemoryStorage>,
    logto: Logto,
    id: SessionId,
}

impl Scene {
    fn of(app: FakeApp) -> Self {
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
        let logto = Logto::builder(config).clock(clock).build().unwrap();
        let mut scene = Self {
            fake,
            store: Faulty::new(MemoryStorage::new()),
            logto,
            id: SessionId::random(),
        };
        let callback = scene.sign_in(&scene.id);
        scene.id = scene.finish(&scene.id, &callback);
        scene
    }

    fn sign_in(&self, id: &SessionId) -> String {
        let client = self.logto.session(&self.store, id);
        self.fake.authorize(&client.sign_in(REDIRECT_URI).unwrap())
    }

    fn finish(&self, id: &SessionId, callback: &str) -> SessionId {
        self.logto
            .finish_sign_in(&self.store, id, callback)
            .unwrap()
            .0
    }

    fn costs_of<T>(&self, work: impl FnOnce() -> T) -> (Costs, T) {
        let before = self.all();
        let done = work();
        let after = self.all();
        let [reads, writes, unsynced, locks, removals, requests] =
            std::array::from_fn(|n| after[n] - before[n]);
        (
            Costs {
                reads,
                writes,
                unsynced,
                locks,
                removals,
                requests,
            },
            done,
        )
    }

    fn all(&self) -> [usize; 6] {
        let calls = |call| self.store.calls(call);
        let asked = self.fake.requests().into_iter();
        [
            calls(StorageCall::Get),
            calls(StorageCall::Set) + calls(StorageCall::Update) + calls(StorageCall::Replace),
            calls(StorageCall::UpdateUnsynced),
            calls(StorageCall::Lock),
            calls(StorageCall::Remove) + calls(StorageCall::Rename),
            // Those of the browser have no connection.
            asked.filter(|request| request.connection > 0).count(),
        ]
    }
}

fn web() -> FakeApp {
    FakeApp::web("app", "s3cret")
}

const ONE_READ: Costs = Costs {
    reads: 1,
    writes: 0,
    unsynced: 0,
    locks: 0,
    removals: 0,
    requests: 0,
};

#[test]
fn a_page_of_a_user_who_is_signed_in_costs_one_read() {
    let scene = Scene::of(web());
    let auth = WebAuth::new(
        scene.logto.clone(),
        scene.store.clone(),
        "http://localhost:3000",
    );
    let auth = auth.unwrap();
    let request = Request::get("/orders").header("cookie", format!("logto={}", scene.id.expose()));
    let request = request.body(()).unwrap();
    assert_eq!(
        scene.costs_of(|| auth.require_user(&request).unwrap()).0,
        ONE_READ
    );
    let open = || scene.logto.session(&scene.store, &scene.id);
    assert_eq!(
        scene.costs_of(|| open().is_authenticated().unwrap()),
        (ONE_READ, true)
    );
    assert_eq!(
        scene.costs_of(|| open().id_token_claims().unwrap()).0,
        ONE_READ
    );
}

#[test]
fn a_page_of_a_visitor_without_a_session_costs_nothing() {
    let scene = Scene::of(web());
    let auth = WebAuth::new(
        scene.logto.clone(),
        scene.store.clone(),
        "http://localhost:3000",
    );
    let auth = auth.unwrap();
    let request = Request::get("/orders").body(()).unwrap();
    let nothing = Costs {
        reads: 0,
        ..ONE_READ
    };
    assert_eq!(
        scene.costs_of(|| auth.user(&request).unwrap().is_none()),
        (nothing, true)
    );
}

#[test]
fn the_start_of_a_sign_in_costs_one_read_and_one_write() {
    let scene = Scene::of(web());
    let costs = scene.costs_of(|| scene.sign_in(&SessionId::random())).0;
    assert_eq!(
        costs,
        Costs {
            reads: 1,
            writes: 1,
            unsynced: 0,
            locks: 1,
            removals: 0,
            requests: 0
        }
    );
}

#[test]
fn a_callback_costs_one_request_and_one_durable_write() {
    let scene = Scene::of(web());
    let id = SessionId::random();
    let callback = scene.sign_in(&id);
    let costs = scene.costs_of(|| scene.finish(&id, &callback)).0;
    assert_eq!(
        costs,
        Costs {
            reads: 3,
            writes: 1,
            unsynced: 1,
            locks: 2,
            removals: 0,
            requests: 1
        }
    );
}

#[test]
fn a_cached_access_token_costs_one_read() {
    let scene = Scene::of(web());
    let client = || scene.logto.session(&scene.store, &scene.id);
    client().access_token(RESOURCE).unwrap().unwrap();
    let cached = scene.costs_of(|| client().access_token(RESOURCE).unwrap().unwrap());
    assert_eq!(cached.0, ONE_READ);
}

#[test]
fn a_refresh_costs_one_request_and_one_write() {
    let scene = Scene::of(web());
    let client = scene.logto.session(&scene.store, &scene.id);
    let request = || AccessTokenRequest::from(RESOURCE).force_refresh(true);
    let costs = scene
        .costs_of(|| client.access_token(request()).unwrap().unwrap())
        .0;
    assert_eq!(
        costs,
        Costs {
            reads: 11,
            writes: 1,
            unsynced: 0,
            locks: 1,
            removals: 0,
            requests: 1
        }
    );
}

#[test]
fn a_refresh_that_rotates_the_refresh_token_writes_that_first() {
    let scene = Scene::of(FakeApp::native("app"));
    let client = scene.logto.session(&scene.store, &scene.id);
    let request = || AccessTokenRequest::from(RESOURCE).force_refresh(true);
    let costs = scene
        .costs_of(|| client.access_token(request()).unwrap().unwrap())
        .0;
    assert_eq!(
        costs,
        Costs {
            reads: 14,
            writes: 2,
            unsynced: 0,
            locks: 1,
            removals: 0,
            requests: 1
        }
    );
}
