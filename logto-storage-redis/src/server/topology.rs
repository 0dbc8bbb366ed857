//! Which server a command goes to.

use std::sync::Arc;

use redis::{Pipeline, Value};

use crate::error::Failure;

use super::address::{Address, Kind};
use super::cluster::Cluster;
use super::deadline::Deadline;
use super::node::{Dialer, Node};
use super::sentinel::Sentinels;

/// Which server a command goes to.
pub(super) enum Topology {
    Single(Arc<Node>),
    Sentinel(Sentinels),
    Cluster(Cluster),
}

impl Topology {
    pub(super) fn new(address: &Address, dialer: Arc<Dialer>) -> Self {
        let endpoints = address.endpoints.clone();
        match &address.kind {
            Kind::Single => Self::Single(Arc::new(Node::new(endpoints[0].clone(), dialer))),
            Kind::Cluster => Self::Cluster(Cluster::new(endpoints, dialer)),
            Kind::Sentinel(service) => {
                Self::Sentinel(Sentinels::new(endpoints, service.clone(), dialer))
            }
        }
    }

    /// Asks the server that has the key.
    pub(super) fn call(
        &self,
        key: &str,
        commands: &Pipeline,
        deadline: Deadline,
    ) -> Result<Vec<Value>, Failure> {
        match self {
            Self::Single(node) => node.call(commands, deadline).map_err(misaddressed),
            Self::Sentinel(sentinels) => sentinels.call(commands, deadline).map_err(misaddressed),
            Self::Cluster(cluster) => cluster.call(key, commands, deadline),
        }
    }

    /// All servers that have keys of their own.
    pub(super) fn masters(&self, deadline: Deadline) -> Result<Vec<Arc<Node>>, Failure> {
        match self {
            Self::Single(node) => Ok(vec![Arc::clone(node)]),
            Self::Sentinel(sentinels) => Ok(vec![sentinels.master(deadline)?]),
            Self::Cluster(cluster) => cluster.masters(deadline),
        }
    }

    /// Whether the same command may succeed if it is sent again after a pause.
    pub(super) fn may_recover(&self, failure: &Failure) -> bool {
        match failure {
            Failure::Connect(_)
            | Failure::UnknownHost(_)
            | Failure::Broken(_)
            | Failure::NoMaster(_)
            | Failure::NoNode => true,
            Failure::Refused(refusal) => match refusal.code.as_str() {
                "LOADING" | "CLUSTERDOWN" | "TRYAGAIN" | "MASTERDOWN" | "BUSY" => true,
                // After a failover another server is the master.
                "READONLY" | "UNBLOCKED" | "MOVED" | "ASK" => !matches!(self, Self::Single(_)),
                _ => false,
            },
            _ => false,
        }
    }
}

fn misaddressed(failure: Failure) -> Failure {
    match failure.code() {
        Some("MOVED" | "ASK" | "CROSSSLOT" | "CLUSTERDOWN") => Failure::is_cluster(),
        _ => failure,
    }
}
