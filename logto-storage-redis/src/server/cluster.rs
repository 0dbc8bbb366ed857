//! The nodes of a cluster, and which of them has which slot.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::Value;

use crate::error::{Failure, Refusal};

use super::address::Endpoint;
use super::connection::Request;
use super::deadline::Deadline;
use super::node::{Dialer, Node};
use super::slot::{self, SLOTS};

/// More redirections than that say that the nodes disagree.
const MAX_REDIRECTIONS: u32 = 8;

/// The nodes of a cluster, and which of them has which slot.
pub(super) struct Cluster {
    seeds: Vec<Endpoint>,
    map: Mutex<Map>,
}

#[derive(Default)]
struct Map {
    /// By first slot, with the last one.
    owners: Vec<(u16, u16, Arc<Node>)>,
    /// All that were ever asked, with the connections to them.
    nodes: HashMap<Endpoint, Arc<Node>>,
    /// Who answered last is asked first.
    informants: Vec<Endpoint>,
    is_stale: bool,
}

impl Cluster {
    pub(super) fn new(seeds: Vec<Endpoint>) -> Self {
        Self {
            map: Mutex::new(Map {
                informants: seeds.clone(),
                is_stale: true,
                ..Map::default()
            }),
            seeds,
        }
    }

    pub(super) fn call(
        &self,
        dialer: &Dialer,
        key: &str,
        request: &Request,
        deadline: Deadline,
    ) -> Result<Vec<Value>, Failure> {
        let slot = slot::of(key.as_bytes());
        let mut node = self.owner(slot, dialer, deadline)?;
        let mut answer = node.call(dialer, request, deadline);
        for _ in 0..MAX_REDIRECTIONS {
            let Err(Failure::Refused(refusal)) = &answer else {
                break;
            };
            let Some(other) = redirection(refusal, &node.endpoint) else {
                break;
            };
            node = self.map().node(other, dialer);
            answer = match refusal.code.as_str() {
                "ASK" => node
                    .call(dialer, &request.asking(), deadline)
                    .map(Request::without_asking),
                _ => {
                    self.map().is_stale = true;
                    node.call(dialer, request, deadline)
                }
            };
        }
        answer.inspect_err(|failure| {
            if may_have_moved(failure) {
                self.map().suspect(&node);
            }
        })
    }

    pub(super) fn masters(
        &self,
        dialer: &Dialer,
        deadline: Deadline,
    ) -> Result<Vec<Arc<Node>>, Failure> {
        self.learn(dialer, deadline)?;
        let mut masters: Vec<Arc<Node>> = Vec::new();
        for (_, _, node) in &self.map().owners {
            if !masters.iter().any(|known| Arc::ptr_eq(known, node)) {
                masters.push(Arc::clone(node));
            }
        }
        Ok(masters)
    }

    fn owner(&self, slot: u16, dialer: &Dialer, deadline: Deadline) -> Result<Arc<Node>, Failure> {
        let is_stale = self.map().is_stale;
        if is_stale {
            self.learn(dialer, deadline)?;
        }
        match self.map().owner(slot) {
            Some(owner) => Ok(owner),
            None => {
                self.map().is_stale = true;
                Err(Failure::NoNode)
            }
        }
    }

    /// Asks nodes, one after the other, who has which slots. A node that hangs does not use up the time.
    fn learn(&self, dialer: &Dialer, deadline: Deadline) -> Result<(), Failure> {
        let mut question = redis::cmd("CLUSTER");
        question.arg("SLOTS");
        let question = Request::one(&question);
        let mut informants = self.map().informants.clone();
        informants.extend(self.seeds.iter().cloned());
        let mut last = Failure::NoNode;
        for (asked, endpoint) in informants.iter().enumerate() {
            if informants[..asked].contains(endpoint) {
                continue;
            }
            let node = self.map().node(endpoint.clone(), dialer);
            match node.call(dialer, &question, deadline.part(2)) {
                Ok(answers) => return self.map().learn(&answers, endpoint, dialer),
                Err(Failure::Refused(refusal)) if refusal.code == "ERR" => {
                    last = Failure::IsNoCluster;
                }
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    fn map(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Map {
    fn node(&mut self, endpoint: Endpoint, dialer: &Dialer) -> Arc<Node> {
        let new = || Arc::new(Node::new(endpoint.clone(), dialer));
        Arc::clone(self.nodes.entry(endpoint.clone()).or_insert_with(new))
    }

    fn owner(&self, slot: u16) -> Option<Arc<Node>> {
        let has_it = |(first, last, _): &&(u16, u16, Arc<Node>)| (*first..=*last).contains(&slot);
        self.owners
            .iter()
            .find(has_it)
            .map(|(_, _, node)| Arc::clone(node))
    }

    /// Takes what a node answered to `CLUSTER SLOTS`.
    fn learn(
        &mut self,
        answers: &[Value],
        told_by: &Endpoint,
        dialer: &Dialer,
    ) -> Result<(), Failure> {
        let ranges = ranges_of(answers, &told_by.host)
            .ok_or(Failure::Unexpected("the answer to CLUSTER SLOTS is none"))?;
        let mut informants = vec![told_by.clone()];
        for endpoint in ranges.iter().flat_map(|range| &range.nodes) {
            if !informants.contains(endpoint) {
                informants.push(endpoint.clone());
            }
        }
        self.owners = Vec::with_capacity(ranges.len());
        for range in ranges {
            if let Some(master) = range.nodes.into_iter().next() {
                let master = self.node(master, dialer);
                self.owners.push((range.first, range.last, master));
            }
        }
        self.nodes
            .retain(|endpoint, _| informants.contains(endpoint));
        self.informants = informants;
        self.is_stale = false;
        Ok(())
    }

    /// Of somebody else it will be asked who has its slots now.
    fn suspect(&mut self, node: &Node) {
        self.is_stale = true;
        self.informants
            .retain(|endpoint| *endpoint != node.endpoint);
        self.informants.push(node.endpoint.clone());
    }
}

struct Range {
    first: u16,
    last: u16,
    /// The master, then its replicas.
    nodes: Vec<Endpoint>,
}

fn ranges_of(answers: &[Value], told_by: &str) -> Option<Vec<Range>> {
    let Some(Value::Array(ranges)) = answers.first() else {
        return None;
    };
    ranges
        .iter()
        .map(|range| range_of(range, told_by))
        .collect()
}

fn range_of(range: &Value, told_by: &str) -> Option<Range> {
    let Value::Array(range) = range else {
        return None;
    };
    let [Value::Int(first), Value::Int(last), nodes @ ..] = range.as_slice() else {
        return None;
    };
    let slot = |number: i64| u16::try_from(number).ok().filter(|slot| *slot < SLOTS);
    let nodes = nodes.iter().map(|node| endpoint_of(node, told_by));
    Some(Range {
        first: slot(*first)?,
        last: slot(*last)?,
        nodes: nodes.collect::<Option<_>>()?,
    })
}

fn endpoint_of(node: &Value, told_by: &str) -> Option<Endpoint> {
    let Value::Array(node) = node else {
        return None;
    };
    let [host, Value::Int(port), ..] = node.as_slice() else {
        return None;
    };
    let host = match host {
        Value::BulkString(host) => String::from_utf8(host.clone()).ok()?,
        _ => String::new(),
    };
    Some(Endpoint {
        host: known_host(host, told_by),
        port: u16::try_from(*port).ok()?,
    })
}

/// A node that does not know its own name is where it was asked.
fn known_host(host: String, told_by: &str) -> String {
    match host.as_str() {
        "" | "?" => told_by.to_owned(),
        _ => host,
    }
}

/// Of `slot host:port`, where an IPv6 address has no brackets.
fn redirection(refusal: &Refusal, told_by: &Endpoint) -> Option<Endpoint> {
    let (_, endpoint) = refusal.redirect.as_deref()?.split_once(' ')?;
    let (host, port) = endpoint.rsplit_once(':')?;
    Some(Endpoint {
        host: known_host(host.to_owned(), &told_by.host),
        port: port.parse().ok()?,
    })
}

fn may_have_moved(failure: &Failure) -> bool {
    match failure {
        Failure::Connect(_)
        | Failure::UnknownHost(_)
        | Failure::Tls(_)
        | Failure::Broken(_)
        | Failure::TimedOut => true,
        Failure::Refused(refusal) => ["READONLY", "CLUSTERDOWN", "MASTERDOWN", "LOADING", "MOVED"]
            .contains(&refusal.code.as_str()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint {
            host: host.into(),
            port,
        }
    }

    fn redirected_to(text: &str) -> Option<Endpoint> {
        let refusal = Refusal {
            code: "MOVED".into(),
            redirect: Some(text.into()),
        };
        redirection(&refusal, &endpoint("asked", 1))
    }

    #[test]
    fn a_redirection_names_a_host_and_a_port() {
        assert_eq!(redirected_to("1 other:7"), Some(endpoint("other", 7)));
        assert_eq!(redirected_to("1 ::1:7"), Some(endpoint("::1", 7)));
        assert_eq!(redirected_to("1 :7"), Some(endpoint("asked", 7)));
        assert_eq!(redirected_to("1 ?:7"), Some(endpoint("asked", 7)));
    }

    #[test]
    fn a_redirection_to_nowhere_is_none() {
        for text in [
            "",
            "1",
            "1 ",
            "1 other",
            "1 other:",
            "1 other:65536",
            "1 other:-1",
        ] {
            assert_eq!(redirected_to(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_range_of_slots_is_refused() {
        let node = |host: Value| Value::Array(vec![host, Value::Int(7)]);
        let range = |first, last, nodes: Vec<Value>| {
            let bounds = vec![Value::Int(first), Value::Int(last)];
            let range = Value::Array([bounds, nodes].concat());
            ranges_of(&[Value::Array(vec![range])], "asked")
        };
        let named = node(Value::BulkString(b"other".to_vec()));
        let ranges = range(0, 16383, vec![named.clone(), node(Value::Nil)]).unwrap();
        assert_eq!(
            ranges[0].nodes,
            [endpoint("other", 7), endpoint("asked", 7)]
        );
        assert!(range(0, 16384, vec![named.clone()]).is_none());
        assert!(range(-1, 0, vec![named]).is_none());
        assert!(range(0, 0, vec![Value::Nil]).is_none());
        assert!(range(0, 0, vec![node(Value::BulkString(vec![255]))]).is_none());
        assert!(ranges_of(&[Value::Okay], "asked").is_none());
        assert!(ranges_of(&[], "asked").is_none());
    }
}
