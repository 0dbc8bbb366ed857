//! One server, a Sentinel's master, or a cluster: commands go in, answers come out, within a time.

mod address;
mod connection;
mod deadline;
mod pool;
mod script;
mod tls;

use std::fmt;
use std::time::Duration;

use logto_core::StorageError;
use redis::{FromRedisValue, Pipeline, Value};

use crate::error::Failure;

pub(crate) use address::Address;
pub(crate) use script::Script;

use address::Servers;
use connection::{Connection, Request};
use deadline::Deadline;
use pool::Pool;
use tls::Tls;

/// What a [`Server`] is opened with.
pub(crate) struct Settings {
    pub(crate) address: Address,
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
    tls: Option<Tls>,
    pool: Pool,
}

impl Server {
    /// Connects and sends a first command, so that what waiting does not help is told at once.
    pub(crate) fn open(settings: Settings) -> Result<Self, StorageError> {
        let pool = Pool::new(settings.connections);
        let tls = match settings.address.is_tls {
            true => Some(Tls::trusting(&settings.root_certificates)?),
            false => None,
        };
        let server = Self {
            settings,
            tls,
            pool,
        };
        let mut ping = Pipeline::new();
        ping.cmd("PING");
        let _: (Value,) = server.read("", &ping)?;
        Ok(server)
    }

    /// Whether two keys may lie on different servers.
    pub(crate) fn is_cluster(&self) -> bool {
        false
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
        redis::from_redis_value(Value::Array(answers)).map_err(|_| self.failed("read", UNEXPECTED))
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

    /// Every key like this pattern, on every master; may name one twice.
    pub(crate) fn scan(
        &self,
        pattern: &str,
        each: &mut dyn FnMut(&[u8]) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut cursor = String::from("0");
        loop {
            let mut scan = Pipeline::new();
            scan.cmd("SCAN")
                .arg(&cursor)
                .arg("MATCH")
                .arg(pattern)
                .arg("COUNT")
                .arg(1000);
            let ((next, keys),): ((String, Vec<Vec<u8>>),) = self.read("", &scan)?;
            for key in keys {
                each(&key)?;
            }
            if next == "0" {
                return Ok(());
            }
            cursor = next;
        }
    }

    fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Result<(T, Option<Failure>), StorageError> {
        let failed = |failure| self.failed("written", failure);
        let key = keys.first().copied().unwrap_or_default();
        let short = Request::one(&script.by_hash(keys, arguments));
        let mut answers = match self.call(key, &short) {
            Err(Failure::Refused(refusal)) if refusal.code == "NOSCRIPT" => {
                self.call(key, &Request::one(&script.by_source(keys, arguments)))
            }
            answers => answers,
        }
        .map_err(failed)?;
        let answer = answers.pop().unwrap_or(Value::Nil);
        let answer = redis::from_redis_value(answer).map_err(|_| failed(UNEXPECTED))?;
        Ok((answer, None))
    }

    fn call(&self, _key: &str, request: &Request) -> Result<Vec<Value>, Failure> {
        let deadline = Deadline::after(self.settings.timeout);
        let Servers::Single(endpoint) = &self.settings.address.servers else {
            return Err(Failure::NoNode);
        };
        let (place, idle) = self.pool.take(deadline)?;
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(
                endpoint,
                &self.settings.address.login,
                self.tls.as_ref(),
                deadline,
            )?,
        };
        let answers = connection.call(request, deadline)?;
        place.keep(connection);
        Ok(answers)
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

const UNEXPECTED: Failure =
    Failure::Unexpected("a key holds what this crate did not write; take another prefix");
