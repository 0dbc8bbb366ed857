//! What many stored sessions cost those who use one of them, and those who write while the expired are
//! purged.

use std::fs::{self, File};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use logto::storage::{PersistKey, SledStorage, SqliteStorage, Storage};
use logto::{Clock as _, SessionId, SystemClock};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::measure::{Measured, Sides, Work, repeated};
use crate::report::{Aim, Report};
use crate::stores;
use crate::tokens::{self, Tokens};

/// With one access token.
const MAP: usize = 700;

/// How many of the sessions are in use.
const KNOWN: usize = 1_000;

/// How many others are read, none of them twice.
const OTHERS: usize = 10_000;

/// One session of so many has expired.
const EXPIRED: usize = 50;

const SELECT: &str = "
    SELECT value FROM session_values
    WHERE row = (SELECT number FROM sessions WHERE digest = ?1) * 64 + ?2
";

/// How often the sessions in use are read before it counts.
const WARM_UPS: usize = 10;

/// As large as the store's.
const CACHE: &str = "PRAGMA cache_size = -16384";

/// For how long nobody may be kept waiting, in nanoseconds.
const LONGEST_HOLD: f64 = 50e6;

pub(crate) fn rows(report: &mut Report) {
    for engine in [Engine::Sqlite, Engine::Sled] {
        let name = engine.name();
        for sessions in report.stored_sessions() {
            let get = format!("stored_{name}/get_of_{sessions}");
            let bare = format!("stored_{name}/bare_get_of_{sessions}");
            let any = format!("stored_{name}/get_any_of_{sessions}");
            let purge = format!("stored_{name}/write_in_purge_of_{sessions}");
            if ![&get, &bare, &any, &purge]
                .into_iter()
                .any(|name| report.wants(name))
            {
                continue;
            }
            let [many, few] = [sessions, KNOWN].map(|sessions| Place::with(engine, sessions));
            let floor = "the same of 1 000 sessions";
            report.row_at_once(&bare, floor, Aim::None, || {
                Sides::timed(many.bare_reads(), few.bare_reads())
            });
            report.row_at_once(&get, floor, Aim::Ratio(2.0), || {
                Sides::timed(many.reads(&many.known), few.reads(&few.known))
            });
            report.row_at_once(&any, floor, Aim::Ratio(2.0), || {
                Sides::timed(many.reads(&many.others), few.reads(&few.known))
            });
            let floor = "the longest write as long without a purge";
            report.given(&purge, floor, Aim::Over(LONGEST_HOLD), || many.purge());
        }
    }
}

#[derive(Clone, Copy)]
enum Engine {
    Sqlite,
    Sled,
}

/// Where many sessions are stored.
struct Place {
    engine: Engine,
    known: Vec<SessionId>,
    others: Vec<SessionId>,
    directory: TempDir,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Sled => "sled",
        }
    }

    fn open(self, directory: &Path) -> Arc<dyn Storage> {
        match self {
            Self::Sqlite => Arc::new(SqliteStorage::open(directory.join("sessions.db")).unwrap()),
            Self::Sled => Arc::new(SledStorage::open(directory.join("sessions.sled")).unwrap()),
        }
    }
}

fn load_sqlite(directory: &Path, digests: impl Iterator<Item = ([u8; 32], bool)>) {
    let mut connection = Connection::open(directory.join("sessions.db")).unwrap();
    connection
        .execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000")
        .unwrap();
    let now = SystemClock.unix_seconds() * 1_000;
    let transaction = connection.transaction().unwrap();
    // Number 1 is the template's.
    let mut newest = 1;
    for (digest, is_expired) in digests {
        let used_at = if is_expired { 0 } else { now };
        newest += 1;
        transaction
            .prepare_cached("INSERT INTO sessions VALUES (?1, ?2, ?3, 0)")
            .unwrap()
            .execute((digest, newest, used_at))
            .unwrap();
        transaction
            .prepare_cached(
                "INSERT INTO session_values (row, value)
                 SELECT ?1 * 64 + row % 64, value FROM session_values WHERE row BETWEEN 64 AND 127",
            )
            .unwrap()
            .execute([newest])
            .unwrap();
    }
    transaction
        .execute("UPDATE newest SET number = ?1", [newest])
        .unwrap();
    transaction.commit().unwrap();
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
}

fn load_sled(
    directory: &Path,
    template: &SessionId,
    digests: impl Iterator<Item = ([u8; 32], bool)>,
) {
    let db = sled::open(directory.join("sessions.sled")).unwrap();
    let tree = db.open_tree("sessions").unwrap();
    let live = tree.get(template.digest()).unwrap().unwrap().to_vec();
    // A record begins with its last use.
    let expired = [&[0; 8], &live[8..]].concat();
    for (digest, is_expired) in digests {
        let record = if is_expired { &expired } else { &live };
        tree.insert(digest, &record[..]).unwrap();
    }
    db.flush().unwrap();
}

/// What is written to the disk later would be waited for by those who are measured.
fn sync(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => sync(&entry.path()),
            false => File::open(entry.path()).unwrap().sync_all().unwrap(),
        }
    }
}

fn warmed_up(mut work: impl FnMut() + 'static) -> Work {
    (0..WARM_UPS * KNOWN).for_each(|_| work());
    repeated(work)
}

impl Place {
    /// So many sessions, written past the store, which would wait for the disk with each.
    fn with(engine: Engine, sessions: usize) -> Self {
        let directory = stores::directory();
        let [known, others] = [KNOWN, OTHERS]
            .map(|count| (0..count).map(|_| SessionId::random()).collect::<Vec<_>>());
        let template = SessionId::random();
        let mut tokens = Tokens::with_map(MAP);
        let store = engine.open(directory.path());
        let session = store.session(&template);
        session.update(&tokens::changes(tokens.next())).unwrap();
        drop((session, store));
        let [stride, others_stride] = [KNOWN, OTHERS].map(|count| (sessions / count).max(1));
        let digests = (0..sessions).map(|n| {
            if n % stride == 0 && n / stride < KNOWN {
                (known[n / stride].digest(), false)
            } else if n % others_stride == 2 && n / others_stride < OTHERS {
                (others[n / others_stride].digest(), false)
            } else {
                (SessionId::random().digest(), n % EXPIRED == 1)
            }
        });
        match engine {
            Engine::Sqlite => load_sqlite(directory.path(), digests),
            Engine::Sled => load_sled(directory.path(), &template, digests),
        }
        sync(directory.path());
        Self {
            engine,
            known,
            others,
            directory,
        }
    }

    fn store(&self) -> Arc<dyn Storage> {
        self.engine.open(self.directory.path())
    }

    /// Another one of these sessions each time. Those in use were read before.
    fn reads(&self, ids: &[SessionId]) -> Work {
        let store = self.store();
        let read = move |id: &SessionId| {
            let value = store.session(id).get(PersistKey::AccessTokenMap);
            black_box(value.unwrap().unwrap());
        };
        (0..WARM_UPS).for_each(|_| self.known.iter().for_each(&read));
        let ids = ids.to_vec();
        let mut turns = (0..ids.len()).cycle();
        repeated(move || read(&ids[turns.next().unwrap()]))
    }

    /// The same bytes without us.
    fn bare_reads(&self) -> Work {
        let digests: Vec<_> = self.known.iter().map(SessionId::digest).collect();
        let mut digests = digests.into_iter().cycle();
        let directory = self.directory.path();
        match self.engine {
            Engine::Sqlite => {
                let connection = Connection::open(directory.join("sessions.db")).unwrap();
                connection.execute_batch(CACHE).unwrap();
                warmed_up(move || {
                    let parameters = (digests.next().unwrap(), PersistKey::AccessTokenMap as i64);
                    let mut select = connection.prepare_cached(SELECT).unwrap();
                    let value: String = select.query_row(parameters, |row| row.get(0)).unwrap();
                    black_box(value);
                })
            }
            Engine::Sled => {
                let db = sled::open(directory.join("sessions.sled")).unwrap();
                let tree = db.open_tree("sessions").unwrap();
                warmed_up(move || {
                    black_box(tree.get(digests.next().unwrap()).unwrap().unwrap().to_vec());
                })
            }
        }
    }

    /// The longest that a write of another thread takes during a purge, and as long without one.
    fn purge(&self) -> Measured {
        let store = self.store();
        let session = store.session(&self.known[0]);
        let (purge, during) = write_while(&*session, || {
            let started = Instant::now();
            assert!(store.purge_expired().unwrap() > 0);
            started.elapsed()
        });
        let ((), without) = write_while(&*session, || thread::sleep(purge));
        let [ours_ns, floor_ns] = [during, without].map(|longest| longest.as_secs_f64() * 1e9);
        Measured {
            ours_ns,
            floor_ns,
            ratio: ours_ns / floor_ns,
            over_ns: ours_ns - floor_ns,
        }
    }
}

/// What `work` returns, and the longest write meanwhile.
fn write_while<T>(session: &dyn Storage, work: impl FnOnce() -> T) -> (T, Duration) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            for n in 0_u64.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let value = n.to_string();
                let started = Instant::now();
                session.set(PersistKey::RefreshToken, Some(&value)).unwrap();
                longest = longest.max(started.elapsed());
            }
            longest
        });
        let outcome = work();
        is_over.store(true, Ordering::Relaxed);
        (outcome, writer.join().unwrap())
    })
}
