//! The master of a service that Sentinels watch.

use std::sync::{Arc, Mutex, PoisonError};

use redis::Value;

use crate::error::{Failure, Refusal};

use super::address::Endpoint;
use super::connection::Request;
use super::deadline::Deadline;
use super::node::{Dialer, Node};

/// The master of a service that Sentinels watch. They are asked at the start, and again when the
/// master fails.
pub(super) struct Sentinels {
    endpoints: Vec<Endpoint>,
    service: String,
    master: Mutex<Option<Arc<Node>>>,
}

impl Sentinels {
    pub(super) fn new(endpoints: Vec<Endpoint>, service: String) -> Self {
        Self {
            endpoints,
            service,
            master: Mutex::default(),
        }
    }

    pub(super) fn call(
        &self,
        dialer: &Dialer,
        request: &Request,
        deadline: Deadline,
    ) -> Result<Vec<Value>, Failure> {
        let master = self.master(dialer, deadline)?;
        master
            .call(dialer, request, deadline)
            .inspect_err(|failure| {
                if may_be_another(failure) {
                    self.forget(&master);
                }
            })
    }

    pub(super) fn master(&self, dialer: &Dialer, deadline: Deadline) -> Result<Arc<Node>, Failure> {
        if let Some(master) = self.known() {
            return Ok(master);
        }
        let mut last = Failure::NoMaster(self.service.clone());
        for (asked, endpoint) in self.endpoints.iter().enumerate() {
            let others = self.endpoints.len() - asked;
            let part = deadline.part(others as u32 + 1);
            match self.ask(endpoint, dialer, part) {
                Ok(Some(master)) => return self.proven(master, dialer, deadline),
                Ok(None) => last = Failure::NoMaster(self.service.clone()),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    /// What this Sentinel says. Sentinels often have no password where the servers have one.
    fn ask(
        &self,
        endpoint: &Endpoint,
        dialer: &Dialer,
        deadline: Deadline,
    ) -> Result<Option<Endpoint>, Failure> {
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.service);
        let question = Request::one(&question);
        let anonymous = dialer
            .dial_anonymously(endpoint, deadline)?
            .call(&question, deadline);
        let answers = match anonymous {
            Err(Failure::Refused(refusal)) if refusal.code == "NOAUTH" => dialer
                .dial_sentinel(endpoint, deadline)?
                .call(&question, deadline),
            answers => answers,
        };
        let answers = answers.map_err(|failure| match failure {
            Failure::Refused(refusal) if refusal.code == "ERR" => Failure::IsNoSentinel,
            failure => failure,
        })?;
        let master: (Option<(String, u16)>,) = redis::from_redis_value(Value::Array(answers))
            .map_err(|_| Failure::Unexpected("Sentinel's answer is none"))?;
        Ok(master.0.map(|(host, port)| Endpoint { host, port }))
    }

    /// Sentinel may not know yet that the server which it names has become a replica.
    fn proven(
        &self,
        endpoint: Endpoint,
        dialer: &Dialer,
        deadline: Deadline,
    ) -> Result<Arc<Node>, Failure> {
        let master = Arc::new(Node::new(endpoint, dialer));
        match master.call(dialer, &Request::one(&redis::cmd("ROLE")), deadline) {
            // A user without the right to ask is believed.
            Ok(role) if is_replica(&role) => return Err(Failure::NoMaster(self.service.clone())),
            Ok(_) | Err(Failure::Refused(Refusal { .. })) => {}
            Err(failure) => return Err(failure),
        }
        *self.lock() = Some(Arc::clone(&master));
        Ok(master)
    }

    fn forget(&self, failed: &Arc<Node>) {
        let mut master = self.lock();
        if master
            .as_ref()
            .is_some_and(|master| Arc::ptr_eq(master, failed))
        {
            *master = None;
        }
    }

    fn known(&self) -> Option<Arc<Node>> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Node>>> {
        self.master.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_replica(role: &[Value]) -> bool {
    let Some(Value::Array(role)) = role.first() else {
        return false;
    };
    matches!(role.first(), Some(Value::BulkString(name)) if name != b"master")
}

fn may_be_another(failure: &Failure) -> bool {
    match failure {
        Failure::Connect(_)
        | Failure::UnknownHost(_)
        | Failure::Tls(_)
        | Failure::Broken(_)
        | Failure::TimedOut => true,
        Failure::Refused(refusal) => {
            ["READONLY", "LOADING", "MASTERDOWN"].contains(&refusal.code.as_str())
        }
        _ => false,
    }
}
