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

use logto::storage::{MemoryStorage, Record, RedisStorage, Storage, Version};
use logto::{Logto, LogtoConfig, SessionId, SessionKey};
use logto_testing::FakeLogto;

use bare::Bare;
use measure::{Sides, Work, prepared, repeated};
use server::RedisServer;
use tokens::Tokens;

const SESSIONS: usize = 100_000;
/// How many more each thread uses.
const SESSIONS_OF_ONE: usize = 100;
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
        row(&format!("load/{threads}"), same, &|| {
            everysec.loads(threads)
        });
        row(&format!("save/{threads}"), same, &|| {
            everysec.saves(threads)
        });
        row(&format!("save_always/{threads}"), same, &|| {
            always.saves(threads)
        });
    }
    row("access_token", "a bare load of the session", &|| {
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

/// What is compared.
trait Client: Send + 'static {
    fn load(&mut self, session: &SessionKey) -> String;

    fn save(&mut self, session: &SessionKey, record: &Record, expected: Option<Version>);
}

impl Client for RedisStorage {
    fn load(&mut self, session: &SessionKey) -> String {
        let record = Storage::load(self, session).unwrap().unwrap();
        record.data().to_owned()
    }

    fn save(&mut self, session: &SessionKey, record: &Record, expected: Option<Version>) {
        Storage::save(self, session, record, expected).unwrap();
    }
}

impl Client for Bare {
    fn load(&mut self, session: &SessionKey) -> String {
        Self::load(self, session)
    }

    fn save(&mut self, session: &SessionKey, record: &Record, expected: Option<Version>) {
        Self::save(self, session, record, expected);
    }
}

/// Sessions of one thread, each with its version.
fn sessions(client: &mut impl Client, data: &mut Tokens) -> Vec<(SessionKey, Version)> {
    let mut save = |_| {
        let (session, record) = (SessionId::random().key(), Record::new(None, data.next()));
        client.save(&session, &record, None);
        (session, record.version())
    };
    (0..SESSIONS_OF_ONE).map(&mut save).collect()
}

fn loads(mut client: impl Client) -> impl FnMut() + Send + 'static {
    let sessions = sessions(&mut client, &mut Tokens::with_map(MAP));
    let mut next = sessions.into_iter().cycle();
    move || drop(black_box(client.load(&next.next().unwrap().0)))
}

fn saves(mut client: impl Client) -> impl FnMut() + Send + 'static {
    let mut data = Tokens::with_map(MAP);
    let mut sessions = sessions(&mut client, &mut data);
    let mut next = (0..SESSIONS_OF_ONE).cycle();
    move || {
        let (session, version) = &mut sessions[next.next().unwrap()];
        let record = Record::new(None, data.next());
        client.save(session, &record, Some(*version));
        *version = record.version();
    }
}

/// A server, and many sessions on it.
struct Place {
    server: RedisServer,
}

impl Place {
    /// With `appendfsync` so.
    fn with(fsync: &str) -> Self {
        let server = RedisServer::builder().append_fsync("no").start();
        let mut data = Tokens::with_map(MAP);
        let mut bare = Bare::connect(&server.url());
        (0..SESSIONS / 1_000).for_each(|_| bare.fill(1_000, data.next()));
        server.config_set("appendfsync", fsync);
        Self { server }
    }

    fn store(&self, connections: usize) -> RedisStorage {
        let builder = RedisStorage::builder(&self.server.url()).connections(connections);
        builder.open().unwrap()
    }

    fn bare(&self) -> Bare {
        Bare::connect(&self.server.url())
    }

    fn loads(&self, threads: usize) -> Sides {
        let store = self.store(threads);
        Sides::timed(
            in_threads((0..threads).map(|_| loads(store.clone()))),
            in_threads((0..threads).map(|_| loads(self.bare()))),
        )
    }

    fn saves(&self, threads: usize) -> Sides {
        let store = self.store(threads);
        Sides::timed(
            in_threads((0..threads).map(|_| saves(store.clone()))),
            in_threads((0..threads).map(|_| saves(self.bare()))),
        )
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
        let mut bare = self.bare();
        Sides::timed(
            repeated(move || drop(black_box(client.access_token(RESOURCE).unwrap().unwrap()))),
            repeated(move || drop(black_box(bare.load(&id.key())))),
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
