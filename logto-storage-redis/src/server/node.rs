//! One server and the connections to it.

use std::sync::Arc;

use redis::{Pipeline, Value};

use crate::error::Failure;

use super::address::{Endpoint, Login};
use super::connection::Connection;
use super::deadline::Deadline;
use super::pool::Pool;
use super::tls::Tls;

/// How any of the servers is connected to.
pub(super) struct Dialer {
    pub(super) login: Login,
    pub(super) tls: Option<Tls>,
    /// How many connections there may be to one server.
    pub(super) connections: usize,
}

/// One server and the connections to it.
pub(super) struct Node {
    pub(super) endpoint: Endpoint,
    dialer: Arc<Dialer>,
    pool: Pool,
}

impl Node {
    pub(super) fn new(endpoint: Endpoint, dialer: Arc<Dialer>) -> Self {
        Self {
            endpoint,
            pool: Pool::new(dialer.connections),
            dialer,
        }
    }

    /// Sends the commands once. Only a connection that has given the answers to what was asked, and no more, is
    /// used again.
    pub(super) fn call(
        &self,
        commands: &Pipeline,
        deadline: Deadline,
    ) -> Result<Vec<Value>, Failure> {
        loop {
            let (place, mut idle) = self.pool.take(deadline)?;
            if idle.as_mut().is_some_and(|idle| !idle.is_quiet()) {
                place.close_all();
                continue;
            }
            let mut connection = match idle {
                Some(connection) => connection,
                None => {
                    let Dialer { login, tls, .. } = &*self.dialer;
                    Connection::open(&self.endpoint, login, tls.as_ref(), deadline)?
                }
            };
            let answers = connection.call(commands, deadline);
            match &answers {
                Err(failure) if is_of_connection(failure) => place.close_all(),
                Ok(_) | Err(Failure::Refused(_)) => place.keep(connection),
                Err(_) => {}
            }
            return answers;
        }
    }
}

/// Whether a new connection may do better: the name may be that of another server since a failover.
fn is_of_connection(failure: &Failure) -> bool {
    let is_broken = matches!(failure, Failure::TimedOut | Failure::Broken(_));
    is_broken || matches!(failure.code(), Some("READONLY" | "NOAUTH"))
}
