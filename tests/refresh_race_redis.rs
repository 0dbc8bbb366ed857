//! A refresh never signs anyone out over Redis either: processes ask for an expired token at once, at a
//! provider that rotates refresh tokens and forgives no reuse, while Redis is killed and fails over.
//! `cargo test --test refresh_race_redis -- --nocapture` prints what reached the provider and what was lost.

#[path = "../logto-storage-redis/tests/common/server.rs"]
mod server;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, thread};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use logto::storage::{RedisStorage, Storage};
use logto::{LogtoClient, SessionId};
use logto_testing::TestClock;
use server::{Cluster, RedisServer, Reply, eventually};
use support::asker::{self, Asker, PROCESSES, ROUND, Random, application, sign_in};
use support::provider::{Provider, RESOURCE};
use tempfile::TempDir;

/// Longer than a replica takes to become the master.
const PATIENCE: &str = "timeout=30000";

/// Does nothing by itself: the tests start this in processes of their own.
#[test]
fn process_that_asks() {
    asker::play(open);
}

fn open(url: &str) -> Arc<dyn Storage> {
    Arc::new(RedisStorage::open(url).unwrap())
}

/// A signed-in user, and processes that share the session.
struct Scene {
    provider: Provider,
    session: SessionId,
    client: LogtoClient,
    clock: TestClock,
    askers: Vec<Asker>,
    shown: PathBuf,
    round: u64,
    outcome: Outcome,
    _directory: TempDir,
}

#[derive(Default)]
struct Outcome {
    /// That the provider answered with tokens.
    refreshes: usize,
    /// That it refused.
    refused: usize,
    /// Processes some thread of which was told of an error, by the error.
    failures: BTreeMap<String, usize>,
    signed_out: usize,
}

impl Scene {
    fn new(url: &str) -> Self {
        let provider = Provider::start();
        let directory = tempfile::tempdir().unwrap();
        let shown = directory.path().join("shown");
        let session = SessionId::random();
        let clock = TestClock::new();
        let client = application(provider.endpoint(), &clock).session(&open(url), &session);
        sign_in(&client);
        let start = |_| Asker::noting(&shown, provider.endpoint(), url, &session);
        let askers = (0..PROCESSES).map(start).collect();
        Self {
            provider,
            session,
            client,
            clock,
            askers,
            shown,
            round: 0,
            outcome: Outcome::default(),
            _directory: directory,
        }
    }

    /// Everybody asks for an expired token, while something happens.
    fn round(&mut self, meanwhile: impl FnOnce()) {
        self.round += 1;
        self.clock.advance(ROUND);
        let offset = ROUND.as_secs() * self.round;
        self.provider.set_clock_offset(offset as i64);
        self.provider.reset_stats();
        self.askers.iter_mut().for_each(|asker| asker.ask(offset));
        meanwhile();
        let answers = self.answers();
        let is_lost = answers.contains("signed out");
        let tokens = answers.iter().filter(|answer| is_token(answer)).count();
        assert!(tokens <= 1, "everybody gets the same token: {answers:?}");
        for request in self.provider.stats().requests {
            if request.grant_type.as_deref() == Some("refresh_token") {
                match request.status {
                    200 => self.outcome.refreshes += 1,
                    _ => self.outcome.refused += 1,
                }
            }
        }
        if is_lost || matches!(self.client.access_token(None), Ok(None)) {
            self.outcome.signed_out += 1;
            sign_in(&self.client);
        }
    }

    fn answers(&mut self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for asker in &mut self.askers {
            let answer = asker.answer().expect("alive");
            for one in answer.split(", ").filter(|one| one.contains("error: ")) {
                *self.outcome.failures.entry(one.to_owned()).or_default() += 1;
            }
            all.extend(answer.split(", ").map(str::to_owned));
        }
        all
    }

    /// Says what came of it, and that no refresh token was shown twice.
    fn end(mut self, case: &str) -> Outcome {
        self.askers.clear();
        let shown = fs::read_to_string(&self.shown).unwrap();
        let different: BTreeSet<_> = shown.lines().collect();
        let twice = shown.lines().count() - different.len();
        let outcome = self.outcome;
        println!(
            "{case}: {} rounds, {} refreshes, {} refused, {twice} tokens shown twice, {} times signed out, {} processes with an error {:?}",
            self.round,
            outcome.refreshes,
            outcome.refused,
            outcome.signed_out,
            outcome.failures.values().sum::<usize>(),
            outcome.failures.keys(),
        );
        assert_eq!((twice, outcome.refused), (0, 0), "{case}");
        let token = self.client.access_token(RESOURCE).unwrap();
        token.expect("the grant is alive");
        outcome
    }
}

fn is_token(answer: &str) -> bool {
    answer != "signed out" && !answer.contains("error: ")
}

/// Rounds in each of which one refreshes for all, whatever happens to the server.
fn nothing_is_lost(scene: Scene, case: &str) {
    let rounds = scene.round as usize;
    let outcome = scene.end(case);
    assert_eq!(outcome.refreshes, rounds, "{case}: one refresh a round");
    assert_eq!(outcome.signed_out, 0, "{case}");
    assert!(outcome.failures.is_empty(), "{case}");
}

#[test]
fn refresh_race_of_processes_over_one_redis_server() {
    let server = RedisServer::start();
    let mut scene = Scene::new(&server.url());
    (0..30).for_each(|_| scene.round(|| ()));
    nothing_is_lost(scene, "8 processes of 8 threads over Redis");
}

#[test]
fn refresh_race_of_processes_over_a_redis_cluster() {
    let cluster = Cluster::start(3, 0);
    let mut scene = Scene::new(&cluster.url());
    (0..10).for_each(|_| scene.round(|| ()));
    nothing_is_lost(scene, "8 processes of 8 threads over a cluster");
}

/// In turns between two rounds and in the midst of one. A process that is killed has handed to the system what
/// it has answered, so what `everysec` loses, a power failure within the second, is not seen here.
#[test]
fn refresh_race_while_redis_is_killed_and_starts_again() {
    for when in ["always", "everysec"] {
        let server = RedisServer::builder().append_fsync(when).start();
        let mut scene = Scene::new(&format!("{}?{PATIENCE}", server.url()));
        let mut random = Random(0x5eed);
        let restart = || {
            server.kill();
            server.start_again();
        };
        for round in 0..10 {
            match round % 2 {
                0 => {
                    restart();
                    scene.round(|| ());
                }
                _ => scene.round(|| {
                    thread::sleep(Duration::from_millis(random.below(80)));
                    restart();
                }),
            }
        }
        nothing_is_lost(scene, &format!("Redis killed 10 times, appendfsync {when}"));
    }
}

/// One of its two replicas takes over, and the other one is enough for who waits for one; the old master comes back
/// as a replica. Nothing is lost that each write has waited for, and who asks meanwhile waits.
#[test]
fn refresh_race_while_the_master_of_a_redis_cluster_is_killed() {
    const KILLS: usize = 4;
    let cluster = Cluster::start(3, 2);
    let mut scene = Scene::new(&format!("{}?replicas=1&{PATIENCE}", cluster.url()));
    let key = URL_SAFE_NO_PAD.encode(scene.session.key().as_bytes());
    let slot = cluster.slot_of(&format!("logto:{{{key}}}"));
    let mut random = Random(0x5eed);
    for _ in 0..KILLS {
        let master = &cluster.nodes()[cluster.owner_of(slot)];
        scene.round(|| {
            thread::sleep(Duration::from_millis(random.below(80)));
            master.kill();
        });
        scene.round(|| ());
        master.start_again();
        eventually("the old master is a replica", || {
            master.info("master_link_status").as_deref() == Some("up")
        });
        eventually("all nodes know each other", || {
            cluster.nodes().iter().all(|node| {
                matches!(node.try_command(&["CLUSTER", "INFO"]), Reply::Bytes(info)
                    if String::from_utf8_lossy(&info).contains("cluster_state:ok"))
            }) && cluster.owner_of(slot) < cluster.nodes().len()
        });
        scene.round(|| ());
    }
    let rounds = scene.round as usize;
    let outcome = scene.end(&format!("the master of a cluster killed {KILLS} times"));
    assert_eq!(outcome.signed_out, 0);
    assert!(outcome.refreshes <= rounds, "{}", outcome.refreshes);
}
