//! Which server a command goes to.

use std::sync::Arc;

use redis::Value;

use crate::error::Failure;

use super::address::Servers;
use super::cluster::Cluster;
use super::connection::Request;
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
    pub(super) fn new(servers: &Servers, dialer: &Dialer) -> Self {
        match servers {
            Servers::Single(endpoint) => {
                Self::Single(Arc::new(Node::new(endpoint.clone(), dialer)))
            }
            Servers::Sentinel { sentinels, service } => {
                Self::Sentinel(Sentinels::new(sentinels.clone(), service.clone()))
            }
            Servers::Cluster(seeds) => Self::Cluster(Cluster::new(seeds.clone())),
        }
    }

    /// Asks the server that has the key.
    pub(super) fn call(
        &self,
        dialer: &Dialer,
        key: &str,
        request: &Request,
        deadline: Deadline,
    ) -> Result<Vec<Value>, Failure> {
        match self {
            Self::Single(node) => node.call(dialer, request, deadline).map_err(misaddressed),
            Self::Sentinel(sentinels) => sentinels
                .call(dialer, request, deadline)
                .map_err(misaddressed),
            Self::Cluster(cluster) => cluster.call(dialer, key, request, deadline),
        }
    }

    /// All servers that have keys of their own.
    pub(super) fn masters(
        &self,
        dialer: &Dialer,
        deadline: Deadline,
    ) -> Result<Vec<Arc<Node>>, Failure> {
        match self {
            Self::Single(node) => Ok(vec![Arc::clone(node)]),
            Self::Sentinel(sentinels) => Ok(vec![sentinels.master(dialer, deadline)?]),
            Self::Cluster(cluster) => cluster.masters(dialer, deadline),
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
    match failure {
        Failure::Refused(refusal)
            if ["MOVED", "ASK", "CROSSSLOT", "CLUSTERDOWN"].contains(&refusal.code.as_str()) =>
        {
            Failure::IsCluster
        }
        failure => failure,
    }
}
