//! One server and the connections to it.

use redis::Value;

use crate::error::{Failure, Refusal};

use super::address::{Endpoint, Login};
use super::connection::{Connection, Request};
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

impl Dialer {
    pub(super) fn dial(
        &self,
        endpoint: &Endpoint,
        deadline: Deadline,
    ) -> Result<Connection, Failure> {
        Connection::open(endpoint, &self.login, self.tls.as_ref(), deadline)
    }

    /// A Sentinel has no databases.
    pub(super) fn dial_sentinel(
        &self,
        endpoint: &Endpoint,
        deadline: Deadline,
    ) -> Result<Connection, Failure> {
        let login = self.login.without_database();
        Connection::open(endpoint, &login, self.tls.as_ref(), deadline)
    }

    /// Without a login.
    pub(super) fn dial_anonymously(
        &self,
        endpoint: &Endpoint,
        deadline: Deadline,
    ) -> Result<Connection, Failure> {
        Connection::open(endpoint, &Login::default(), self.tls.as_ref(), deadline)
    }
}

/// One server and the connections to it.
pub(super) struct Node {
    pub(super) endpoint: Endpoint,
    pool: Pool,
}

impl Node {
    pub(super) fn new(endpoint: Endpoint, dialer: &Dialer) -> Self {
        Self {
            endpoint,
            pool: Pool::new(dialer.connections),
        }
    }

    /// Sent again over a new connection if an old one turns out to be broken. Only a connection that has
    /// given the answers to what was asked, and no more, is used again.
    pub(super) fn call(
        &self,
        dialer: &Dialer,
        request: &Request,
        deadline: Deadline,
    ) -> Result<Vec<Value>, Failure> {
        loop {
            let (place, idle) = self.pool.take(deadline)?;
            let is_new = idle.is_none();
            let mut connection = match idle {
                Some(connection) if connection.is_quiet() => connection,
                Some(_) => {
                    place.close_all();
                    continue;
                }
                None => dialer.dial(&self.endpoint, deadline)?,
            };
            match connection.call(request, deadline) {
                Ok(answers) => {
                    place.keep(connection);
                    return Ok(answers);
                }
                Err(Failure::Refused(refusal)) => {
                    match is_of_connection(&refusal) {
                        true => place.close_all(),
                        false => place.keep(connection),
                    }
                    return Err(Failure::Refused(refusal));
                }
                Err(Failure::Broken(_)) if !is_new => place.close_all(),
                Err(Failure::TimedOut) => {
                    place.close_all();
                    return Err(Failure::TimedOut);
                }
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// Whether a new connection may do better: the name may be that of another server since a failover.
fn is_of_connection(refusal: &Refusal) -> bool {
    ["READONLY", "NOAUTH"].contains(&refusal.code.as_str())
}
