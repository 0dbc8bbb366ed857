//! What sessions in Redis cost, 100 000 of them, beside the bare client that sends the same commands, measured
//! in turns in the same run: `cargo bench --bench redis [-- NAME…]`. Needs `redis-server` in the path.
//!
//! Ratios are the medians of the rounds' own; they carry from one machine to another, microseconds do not.

mod bare;
#[path = "../report/measure.rs"]
#[allow(dead_code)]
mod measure;
#[path = "../../logto-storage-redis/tests/common/server.rs"]
mod server;
#[path = "../support/threads.rs"]
mod threads;
#[path = "../support/tokens.rs"]
#[allow(dead_code)]
mod tokens;

use std::env;
use std::hint::black_box;

use logto::storage::{MemoryStorage, PersistKey, RedisStorage, Storage};
use logto::{Logto, LogtoConfig, SessionId};
use logto_testing::FakeLogto;

use bare::Bare;
use measure::{Sides, Work, prepared, repeated};
use server::RedisServer;
use tokens::Tokens;

const SESSIONS: usize = 100_000;
const ROUNDS: usize = 31;
/// With one access token.
const MAP: usize = 700;
const RESOURCE: &str = "https://api.example.com";

fn main() {
    let names: Vec<String> = env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let row = |name: &str, floor: &str, sides: &dyn Fn() -> Sides| {
        if names.is_empty() || names.iter().any(|wanted| name.contains(wanted.as_str())) {
            let measured = sides().measure(ROUNDS).medians();
            println!(
                "{name:24} {:9.1} µs {:9.1} µs {:6.2} ×   {floor}",
                measured.ours_ns / 1e3,
                measured.floor_ns / 1e3,
                measured.ratio
            );
        }
    };
    let [everysec, always] = ["everysec", "always"].map(Place::with);
    for threads in [1, 8, 64] {
        let same = "the same commands by the bare client";
        row(&format!("get/{threads}"), same, &|| everysec.gets(threads));
        row(&format!("update/{threads}"), same, &|| {
            everysec.updates(threads)
        });
        row(&format!("update_always/{threads}"), same, &|| {
            always.updates(threads)
        });
        let name = format!("always_everysec/{threads}");
        row(&name, "ours by everysec", &|| {
            Sides::timed(always.our_updates(threads), everysec.our_updates(threads))
        });
    }
    row("access_token", "a bare read of the map", &|| {
        everysec.access_token()
    });
    row("callback", "the same over `MemoryStorage`", &|| {
        Sides::timed(
            callbacks(everysec.store(16)),
            callbacks(MemoryStorage::new()),
        )
    });
}

/// What one of the threads waits for one.
fn in_threads<W: FnMut() + Send + 'static>(works: impl ExactSizeIterator<Item = W>) -> Work {
    let threads = works.len() as u32;
    let mut shared = threads::in_threads(works);
    Box::new(move |iterations| shared(iterations) * threads)
}

/// A server, and many sessions on it.
struct Place {
    server: RedisServer,
    ids: Vec<SessionId>,
}

impl Place {
    /// With `appendfsync` so.
    fn with(fsync: &str) -> Self {
        let server = RedisServer::builder().append_fsync("no").start();
        let ids: Vec<_> = (0..SESSIONS).map(|_| SessionId::random()).collect();
        let mut values = Tokens::with_map(MAP);
        let mut bare = Bare::connect(&server.url());
        ids.chunks(1_000)
            .for_each(|ids| bare.load(ids, values.next()));
        server.config_set("appendfsync", fsync);
        Self { server, ids }
    }

    fn store(&self, connections: usize) -> RedisStorage {
        let builder = RedisStorage::builder(&self.server.url()).connections(connections);
        builder.open().unwrap()
    }

    /// The sessions of one of so many threads, again and again.
    fn ids(&self, thread: usize, threads: usize) -> impl Iterator<Item = SessionId> + use<> {
        let ids = self.ids.iter().skip(thread).step_by(threads);
        ids.cloned().collect::<Vec<_>>().into_iter().cycle()
    }

    fn gets(&self, threads: usize) -> Sides {
        let store = self.store(threads);
        let ours = in_threads((0..threads).map(|thread| {
            let (store, mut ids) = (store.clone(), self.ids(thread, threads));
            move || {
                let session = store.session(&ids.next().unwrap());
                black_box(session.get(PersistKey::AccessTokenMap).unwrap().unwrap());
            }
        }));
        let floor = in_threads((0..threads).map(|thread| {
            let mut bare = Bare::connect(&self.server.url());
            let mut ids = self.ids(thread, threads);
            move || drop(black_box(bare.get(&ids.next().unwrap())))
        }));
        Sides::timed(ours, floor)
    }

    fn updates(&self, threads: usize) -> Sides {
        let floor = in_threads((0..threads).map(|thread| {
            let mut bare = Bare::connect(&self.server.url());
            let (mut ids, mut values) = (self.ids(thread, threads), Tokens::with_map(MAP));
            move || bare.update(&ids.next().unwrap(), values.next())
        }));
        Sides::timed(self.our_updates(threads), floor)
    }

    fn our_updates(&self, threads: usize) -> Work {
        let store = self.store(threads);
        in_threads((0..threads).map(|thread| {
            let (store, mut ids) = (store.clone(), self.ids(thread, threads));
            let mut values = Tokens::with_map(MAP);
            move || {
                let session = store.session(&ids.next().unwrap());
                session.update(&tokens::changes(values.next())).unwrap();
            }
        }))
    }

    fn access_token(&self) -> Sides {
        let (fake, logto) = scene();
        let (store, id) = (self.store(16), SessionId::random());
        let client = logto.session(&store, &id);
        let url = client.sign_in(REDIRECT_URI).unwrap();
        client
            .handle_sign_in_callback(&fake.authorize(&url))
            .unwrap();
        client.access_token(RESOURCE).unwrap().unwrap();
        let mut bare = Bare::connect(&self.server.url());
        Sides::timed(
            repeated(move || drop(black_box(client.access_token(RESOURCE).unwrap().unwrap()))),
            repeated(move || drop(black_box(bare.get(&id)))),
        )
    }
}

const REDIRECT_URI: &str = "http://localhost:3000/callback";

fn scene() -> (FakeLogto, Logto) {
    let fake = FakeLogto::builder()
        .app(logto_testing::FakeApp::web("app", "secret"))
        .resource(RESOURCE, ["read:items"])
        .start();
    let config = LogtoConfig::new(fake.endpoint(), "app")
        .app_secret("secret")
        .resources([RESOURCE]);
    (fake, Logto::new(config).unwrap())
}

/// Each of a sign-in that was started before the clock was.
fn callbacks(store: impl Storage + Clone + 'static) -> Work {
    let (fake, logto) = scene();
    let (other_logto, other_store) = (logto.clone(), store.clone());
    prepared(
        move || {
            let id = SessionId::random();
            let url = logto.session(&store, &id).sign_in(REDIRECT_URI).unwrap();
            (id, fake.authorize(&url))
        },
        move |(id, callback)| {
            let finished = other_logto.finish_sign_in(&other_store, &id, &callback);
            black_box(finished.unwrap());
        },
    )
}
