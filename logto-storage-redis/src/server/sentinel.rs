//! The master of a service that Sentinels watch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use logto_core::StorageErrorKind::{Backend, Corrupt};
use redis::{Pipeline, Value};

use crate::error::Failure;

use super::address::{Endpoint, Login};
use super::connection::Connection;
use super::deadline::Deadline;
use super::node::{Dialer, Node};

/// The master of a service that Sentinels watch. They are asked at the start, and again when the
/// master fails.
pub(super) struct Sentinels {
    endpoints: Vec<Endpoint>,
    service: String,
    dialer: Arc<Dialer>,
    master: Mutex<Option<Arc<Node>>>,
}

impl Sentinels {
    pub(super) fn new(endpoints: Vec<Endpoint>, service: String, dialer: Arc<Dialer>) -> Self {
        Self {
            endpoints,
            service,
            dialer,
            master: Mutex::default(),
        }
    }

    pub(super) fn call(
        &self,
        commands: &Pipeline,
        deadline: Deadline,
    ) -> Result<Vec<Value>, Failure> {
        let master = self.master(deadline)?;
        let answers = master.call(commands, deadline);
        answers.inspect_err(|failure| {
            if failure.may_be_of_the_wrong_server() {
                self.known().take_if(|known| Arc::ptr_eq(known, &master));
            }
        })
    }

    pub(super) fn master(&self, deadline: Deadline) -> Result<Arc<Node>, Failure> {
        if let Some(master) = &*self.known() {
            return Ok(Arc::clone(master));
        }
        let mut last = self.no_master();
        for (asked, endpoint) in self.endpoints.iter().enumerate() {
            let others = self.endpoints.len() - asked;
            match self.ask(endpoint, deadline.part(others as u32 + 1)) {
                Ok(Some(master)) => return self.proven(master, deadline),
                Ok(None) => last = self.no_master(),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    /// What this Sentinel says. Sentinels often have no password where the servers have one, and never a
    /// database.
    fn ask(&self, endpoint: &Endpoint, deadline: Deadline) -> Result<Option<Endpoint>, Failure> {
        let mut question = redis::pipe();
        question.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME");
        question.arg(&self.service);
        let ask = |login: &Login| {
            Connection::open(endpoint, login, self.dialer.tls.as_ref(), deadline)?
                .call(&question, deadline)
        };
        let mut answers = ask(&Login::default());
        if matches!(&answers, Err(failure) if failure.code() == Some("NOAUTH")) {
            answers = ask(&self.dialer.login.without_database());
        }
        let answers = answers.map_err(|failure| {
            failure.told_if_err(
                Backend,
                "what answers is no Sentinel; the address of a server begins with redis://",
            )
        })?;
        let master: (Option<(String, u16)>,) = redis::from_redis_value(Value::Array(answers))
            .map_err(|_| Failure::Told(Corrupt, "Sentinel's answer is none".into()))?;
        Ok(master.0.map(|(host, port)| Endpoint { host, port }))
    }

    /// Sentinel may not know yet that the server which it names has become a replica.
    fn proven(&self, endpoint: Endpoint, deadline: Deadline) -> Result<Arc<Node>, Failure> {
        let master = Arc::new(Node::new(endpoint, Arc::clone(&self.dialer)));
        match master.call(redis::pipe().cmd("ROLE"), deadline) {
            // A user without the right to ask is believed.
            Ok(role) if is_replica(&role) => return Err(self.no_master()),
            Ok(_) | Err(Failure::Refused(_)) => {}
            Err(failure) => return Err(failure),
        }
        *self.known() = Some(Arc::clone(&master));
        Ok(master)
    }

    fn no_master(&self) -> Failure {
        Failure::NoMaster(self.service.clone())
    }

    fn known(&self) -> MutexGuard<'_, Option<Arc<Node>>> {
        self.master.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_replica(role: &[Value]) -> bool {
    let Some(Value::Array(role)) = role.first() else {
        return false;
    };
    matches!(role.first(), Some(Value::BulkString(name)) if name != b"master")
}
