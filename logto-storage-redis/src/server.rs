//! One server, a Sentinel's master, or a cluster: commands go in, answers come out, within a time.

mod address;
mod cluster;
mod connection;
mod deadline;
mod greeting;
mod node;
mod pool;
mod script;
mod sentinel;
mod slot;
mod tls;
mod topology;

use std::fmt;
use std::time::Duration;

use logto_core::StorageError;
use redis::{Cmd, FromRedisValue, ParsingError, Pipeline, Value};

use crate::error::Failure;

pub(crate) use address::Address;
pub(crate) use script::Script;

use connection::Request;
use deadline::Deadline;
use node::{Dialer, Node};
use tls::Tls;
use topology::Topology;

/// Before the first repetition; doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What a [`Server`] is opened with.
pub(crate) struct Settings {
    pub(crate) address: Address,
    /// What all keys begin with.
    pub(crate) prefix: String,
    /// Bounds a whole call.
    pub(crate) timeout: Duration,
    /// How many connections there may be to one server.
    pub(crate) connections: usize,
    /// How many replicas must have what was written; `WAIT` is sent if it is not 0.
    pub(crate) replicas: u32,
    /// PEM, in place of the system's.
    pub(crate) root_certificates: Vec<String>,
}

/// One server, a Sentinel's master, or a cluster. Every call is bounded by the timeout.
pub(crate) struct Server {
    settings: Settings,
    dialer: Dialer,
    topology: Topology,
}

impl Server {
    /// Connects and sends a first command, so that what waiting does not help is told at once.
    pub(crate) fn open(settings: Settings) -> Result<Self, StorageError> {
        let tls = match settings.address.is_tls {
            true => Some(Tls::trusting(&settings.root_certificates)?),
            false => None,
        };
        let dialer = Dialer {
            login: settings.address.login.clone(),
            tls,
            connections: settings.connections,
        };
        let topology = Topology::new(&settings.address.servers, &dialer);
        let server = Self {
            settings,
            dialer,
            topology,
        };
        let greeted = greeting::greet(&server);
        greeted.map_err(|failure| server.failed("opened", failure))?;
        Ok(server)
    }

    /// Whether two keys may lie on different servers.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.topology, Topology::Cluster(_))
    }

    /// Commands whose keys are all in the slot of `key`, in one round trip.
    pub(crate) fn read<T: FromRedisValue>(
        &self,
        key: &str,
        commands: &Pipeline,
    ) -> Result<T, StorageError> {
        let answers = self
            .call(key, &Request::of(commands))
            .map_err(|failure| self.failed("read", failure))?;
        redis::from_redis_value(Value::Array(answers))
            .map_err(|error| self.failed("read", unexpected(error)))
    }

    /// A script that changes something, whose keys are all in one slot. If too few replicas have it
    /// in time, a warning is logged.
    pub(crate) fn write<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Result<T, StorageError> {
        let (answer, few) = self.run(script, keys, arguments)?;
        if let Some(few) = few {
            log::warn!("{}", self.failed("written everywhere", few));
        }
        Ok(answer)
    }

    /// As [`write`](Self::write), but too few replicas are an error. What was written stays.
    pub(crate) fn write_confirmed<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Result<T, StorageError> {
        match self.run(script, keys, arguments)? {
            (answer, None) => Ok(answer),
            (_, Some(few)) => Err(self.failed("written", few)),
        }
    }

    /// Every key like this pattern, on every master; may name one twice. The timeout bounds each page.
    pub(crate) fn scan(
        &self,
        pattern: &str,
        each: &mut dyn FnMut(&[u8]) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let failed = |failure| self.failed("read", failure);
        let deadline = self.deadline();
        let masters = self.patiently(deadline, || self.topology.masters(&self.dialer, deadline));
        for master in masters.map_err(failed)? {
            let mut cursor = String::from("0");
            loop {
                let (next, keys) = self.page(&master, pattern, &cursor).map_err(failed)?;
                for key in keys {
                    each(&key)?;
                }
                if next == "0" {
                    break;
                }
                cursor = next;
            }
        }
        Ok(())
    }

    /// Where the next page begins, and the keys of this one.
    fn page(&self, master: &Node, pattern: &str, cursor: &str) -> Result<Page, Failure> {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor)
            .arg("MATCH")
            .arg(pattern)
            .arg("COUNT")
            .arg(1000);
        let scan = Request::one(&scan);
        let deadline = self.deadline();
        let answers = self.patiently(deadline, || master.call(&self.dialer, &scan, deadline))?;
        answer_of(answers)
    }

    /// The answer of a script, and what is to be said if too few replicas have what it wrote.
    fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Result<(T, Option<Failure>), StorageError> {
        let key = keys.first().copied().unwrap_or_default();
        let deadline = self.deadline();
        let answers = match self.call_and_wait(key, &script.by_hash(keys, arguments), deadline) {
            Err(Failure::Refused(refusal)) if refusal.code == "NOSCRIPT" => {
                self.call_and_wait(key, &script.by_source(keys, arguments), deadline)
            }
            answers => answers,
        };
        let answered = answers.and_then(|mut answers| {
            let few = match self.settings.replicas {
                0 => None,
                wanted => too_few(wanted, answers.pop())?,
            };
            Ok((answer_of(answers)?, few))
        });
        answered.map_err(|failure| self.failed("written", failure))
    }

    /// With `WAIT` over the same connection, which waits for what this connection has written.
    fn call_and_wait(
        &self,
        key: &str,
        command: &Cmd,
        deadline: Deadline,
    ) -> Result<Vec<Value>, Failure> {
        let request = Request::one(command);
        self.patiently(deadline, || match self.settings.replicas {
            0 => self.topology.call(&self.dialer, key, &request, deadline),
            wanted => {
                let request = request.and(&wait_for(wanted, deadline.left()?));
                self.topology.call(&self.dialer, key, &request, deadline)
            }
        })
    }

    fn call(&self, key: &str, request: &Request) -> Result<Vec<Value>, Failure> {
        let deadline = self.deadline();
        self.patiently(deadline, || {
            self.topology.call(&self.dialer, key, request, deadline)
        })
    }

    fn deadline(&self) -> Deadline {
        Deadline::after(self.settings.timeout)
    }

    /// Tries until the deadline while it may help. All that this crate sends may be sent twice.
    fn patiently<T>(
        &self,
        deadline: Deadline,
        attempt: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        repeat(deadline, attempt, |failure| {
            self.topology.may_recover(failure)
        })
    }

    fn failed(&self, done: &str, failure: Failure) -> StorageError {
        failure.at(&self.settings.address, done, self.settings.timeout)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.settings.address)
    }
}

/// Tries until the deadline while it may help.
fn repeat<T>(
    deadline: Deadline,
    mut attempt: impl FnMut() -> Result<T, Failure>,
    may_recover: impl Fn(&Failure) -> bool,
) -> Result<T, Failure> {
    let mut pause = FIRST_PAUSE;
    let mut earlier = None;
    loop {
        match attempt() {
            Err(failure) if may_recover(&failure) => {
                if !deadline.sleep(pause) {
                    return Err(failure);
                }
                pause = LONGEST_PAUSE.min(pause * 2);
                earlier = Some(failure);
            }
            // Says more than that the time is over.
            Err(Failure::TimedOut) if earlier.is_some() => {
                return Err(earlier.unwrap_or(Failure::TimedOut));
            }
            result => return result,
        }
    }
}

type Page = (String, Vec<Vec<u8>>);

fn answer_of<T: FromRedisValue>(mut answers: Vec<Value>) -> Result<T, Failure> {
    redis::from_redis_value(answers.pop().unwrap_or(Value::Nil)).map_err(unexpected)
}

/// Its message would repeat what was stored.
fn unexpected(_: ParsingError) -> Failure {
    Failure::Unexpected("a key holds what this crate did not write; take another prefix")
}

/// For a fifth of what is left: where replicas are missing, every write waits for so long.
fn wait_for(replicas: u32, left: Option<Duration>) -> Cmd {
    let part = left.unwrap_or(Duration::from_secs(5)).as_millis() / 5;
    let mut wait = redis::cmd("WAIT");
    wait.arg(replicas)
        .arg(part.clamp(1, i32::MAX as u128) as u64);
    wait
}

fn too_few(wanted: u32, answer: Option<Value>) -> Result<Option<Failure>, Failure> {
    let reached: u32 = answer_of(Vec::from_iter(answer))?;
    let few = Failure::TooFewReplicas { wanted, reached };
    Ok((reached < wanted).then_some(few))
}
