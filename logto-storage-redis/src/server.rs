//! One server, a Sentinel's master, or a cluster: commands go in, answers come out, within a time.

mod address;
mod cluster;
mod connection;
mod deadline;
mod greeting;
mod node;
mod pool;
mod sentinel;
mod tls;
mod topology;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use logto_core::StorageError;
use logto_core::StorageErrorKind::{Backend, Corrupt};
use redis::{FromRedisValue, Pipeline, ToRedisArgs, Value};

use crate::error::Failure;
use crate::scripts::Script;

pub(crate) use address::Address;

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
    topology: Topology,
    is_open: bool,
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
        let mut server = Self {
            topology: Topology::new(&settings.address, Arc::new(dialer)),
            settings,
            is_open: false,
        };
        greeting::greet(&server).map_err(|failure| server.failed("opened", failure))?;
        server.is_open = true;
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
        let answers = self.call(key, commands, self.deadline());
        answers
            .and_then(|answers| value_of(Value::Array(answers)))
            .map_err(|failure| self.failed("read", failure))
    }

    /// A script that changes something, whose keys are all in one slot. If too few replicas have it
    /// in time, a warning is logged.
    pub(crate) fn write<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: impl ToRedisArgs,
    ) -> Result<T, StorageError> {
        self.write_or_repeat(script, keys, arguments, &mut false)
    }

    /// Same as [`write`](Self::write). Sets `may_have_run` if the script was sent again, and may have run before.
    pub(crate) fn write_or_repeat<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: impl ToRedisArgs,
        may_have_run: &mut bool,
    ) -> Result<T, StorageError> {
        let (answer, few) = self.write_and_count(script, keys, arguments, may_have_run)?;
        if let Some(few) = few {
            log::warn!("a failover may lose a change: {few}");
        }
        Ok(answer)
    }

    /// Same as [`write_or_repeat`](Self::write_or_repeat), with the error that too few replicas are. What was
    /// written stays.
    pub(crate) fn write_and_count<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: impl ToRedisArgs,
        may_have_run: &mut bool,
    ) -> Result<(T, Option<StorageError>), StorageError> {
        let deadline = self.deadline();
        let calls = script.calls(keys, arguments);
        let [by_hash, by_source] = calls.map(|call| self.with_wait(call));
        let mut call = |commands: &Pipeline| {
            let attempt = || self.topology.call(keys[0], commands, deadline);
            self.patiently(deadline, may_have_run, attempt)
        };
        let mut answers = call(&by_hash);
        if matches!(&answers, Err(failure) if failure.code() == Some("NOSCRIPT")) {
            answers = call(&by_source);
        }
        let failed = |failure| self.failed("written", failure);
        let mut answers = answers.map_err(failed)?;
        let few = match self.settings.replicas {
            0 => None,
            wanted => too_few(wanted, answers.pop()).map_err(failed)?,
        };
        Ok((answer_of(answers).map_err(failed)?, few.map(failed)))
    }

    /// With `WAIT`, which waits for what the same connection has written, a fifth of the timeout: where
    /// replicas are missing, every write waits for so long.
    fn with_wait(&self, mut call: Pipeline) -> Pipeline {
        if self.settings.replicas > 0 {
            let millis = (self.settings.timeout.as_millis() / 5).clamp(1, i32::MAX as u128);
            let wait = call.cmd("WAIT").arg(self.settings.replicas);
            wait.arg(millis as u64);
        }
        call
    }

    /// Every key like this pattern, on every master; may name one twice. The timeout bounds each page.
    pub(crate) fn scan(
        &self,
        pattern: &str,
        each: &mut dyn FnMut(&[u8]) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let failed = |failure| self.failed("read", failure);
        let deadline = self.deadline();
        let masters = self.patiently(deadline, &mut false, || self.topology.masters(deadline));
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
        let mut scan = redis::pipe();
        let arguments = (cursor, "MATCH", pattern, "COUNT", 1000);
        scan.cmd("SCAN").arg(arguments);
        let deadline = self.deadline();
        answer_of(self.patiently(deadline, &mut false, || master.call(&scan, deadline))?)
    }

    /// All that this crate sends may be sent twice.
    fn call(
        &self,
        key: &str,
        commands: &Pipeline,
        deadline: Deadline,
    ) -> Result<Vec<Value>, Failure> {
        let attempt = || self.topology.call(key, commands, deadline);
        self.patiently(deadline, &mut false, attempt)
    }

    fn deadline(&self) -> Deadline {
        Deadline::after(self.settings.timeout)
    }

    /// Tries until the deadline while it may help. Sets `may_have_run` if it tries again what the server may
    /// have done.
    fn patiently<T>(
        &self,
        deadline: Deadline,
        may_have_run: &mut bool,
        mut attempt: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut pause = FIRST_PAUSE;
        let mut earlier = None;
        loop {
            match attempt() {
                Err(failure) if self.may_recover(&failure) => {
                    if !deadline.sleep(pause) {
                        return Err(failure);
                    }
                    // A refusal may be that of `WAIT`, after the script.
                    *may_have_run |= matches!(failure, Failure::Broken(_) | Failure::Refused(_));
                    pause = LONGEST_PAUSE.min(pause * 2);
                    earlier = Some(failure);
                }
                // The one before says more than that the time is over.
                Err(Failure::TimedOut) => return Err(earlier.unwrap_or(Failure::TimedOut)),
                result => return result,
            }
        }
    }

    /// At first a server is waited for that is loading, and not one that is not there.
    fn may_recover(&self, failure: &Failure) -> bool {
        let is_there = matches!(failure, Failure::Refused(_) | Failure::NoNode);
        (self.is_open || is_there) && self.topology.may_recover(failure)
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

type Page = (String, Vec<Vec<u8>>);

fn answer_of<T: FromRedisValue>(mut answers: Vec<Value>) -> Result<T, Failure> {
    value_of(answers.pop().unwrap_or(Value::Nil))
}

/// The parser's message would repeat what was stored.
fn value_of<T: FromRedisValue>(value: Value) -> Result<T, Failure> {
    let foreign = "a key holds what this crate did not write; take another prefix";
    redis::from_redis_value(value).map_err(|_| Failure::Told(Corrupt, foreign.into()))
}

fn too_few(wanted: u32, answer: Option<Value>) -> Result<Option<Failure>, Failure> {
    let reached: u32 = answer_of(Vec::from_iter(answer))?;
    let few = || format!("{reached} of {wanted} replicas have what was written");
    Ok((reached < wanted).then(|| Failure::Told(Backend, few())))
}
