//! The nodes of a cluster, and which of them has which slot.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use logto_core::StorageErrorKind::{Backend, Corrupt};
use redis::{Pipeline, Value};

use crate::error::{Failure, Refusal};

use super::address::Endpoint;
use super::deadline::Deadline;
use super::node::{Dialer, Node};

/// How many slots a cluster has.
const SLOTS: u16 = 16384;

/// More redirections than that say that the nodes disagree.
const MAX_REDIRECTIONS: u32 = 8;

/// The nodes of a cluster, and which of them has which slot.
pub(super) struct Cluster {
    seeds: Vec<Endpoint>,
    map: Mutex<Map>,
}

struct Map {
    dialer: Arc<Dialer>,
    /// By first slot, with the last one.
    owners: Vec<(u16, u16, Arc<Node>)>,
    /// All that were ever asked, with the connections to them.
    nodes: HashMap<Endpoint, Arc<Node>>,
    /// Who answered last is asked first.
    informants: Vec<Endpoint>,
    is_stale: bool,
}

impl Cluster {
    pub(super) fn new(seeds: Vec<Endpoint>, dialer: Arc<Dialer>) -> Self {
        let map = Map {
            dialer,
            owners: Vec::new(),
            nodes: HashMap::new(),
            informants: seeds.clone(),
            is_stale: true,
        };
        Self {
            seeds,
            map: Mutex::new(map),
        }
    }

    pub(super) fn call(
        &self,
        key: &str,
        commands: &Pipeline,
        deadline: Deadline,
    ) -> Result<Vec<Value>, Failure> {
        let mut node = self.owner(slot_of(key.as_bytes()), deadline)?;
        let mut answer = node.call(commands, deadline);
        for _ in 0..MAX_REDIRECTIONS {
            let Err(Failure::Refused(refusal)) = &answer else {
                break;
            };
            let Some(other) = redirection(refusal, &node.endpoint) else {
                break;
            };
            node = self.map().node(other);
            answer = match refusal.code.as_str() {
                "ASK" => ask(&node, commands, deadline),
                _ => {
                    self.map().is_stale = true;
                    node.call(commands, deadline)
                }
            };
        }
        answer.inspect_err(|failure| {
            if failure.may_be_of_the_wrong_server() {
                self.map().suspect(&node);
            }
        })
    }

    pub(super) fn masters(&self, deadline: Deadline) -> Result<Vec<Arc<Node>>, Failure> {
        self.learn(deadline)?;
        let mut masters: Vec<Arc<Node>> = Vec::new();
        for (_, _, node) in &self.map().owners {
            if !masters.iter().any(|known| Arc::ptr_eq(known, node)) {
                masters.push(Arc::clone(node));
            }
        }
        Ok(masters)
    }

    fn owner(&self, slot: u16, deadline: Deadline) -> Result<Arc<Node>, Failure> {
        let is_stale = self.map().is_stale;
        if is_stale {
            self.learn(deadline)?;
        }
        let mut map = self.map();
        let mut owners = map.owners.iter();
        let owner = owners.find(|(first, last, _)| (*first..=*last).contains(&slot));
        let owner = owner.map(|(_, _, node)| Arc::clone(node));
        map.is_stale |= owner.is_none();
        owner.ok_or(Failure::NoNode)
    }

    /// Asks nodes, one after the other, who has which slots. A node that hangs does not use up the time.
    fn learn(&self, deadline: Deadline) -> Result<(), Failure> {
        let mut question = redis::pipe();
        question.cmd("CLUSTER").arg("SLOTS");
        let mut informants = self.map().informants.clone();
        informants.extend(self.seeds.iter().cloned());
        let mut last = Failure::NoNode;
        for (asked, endpoint) in informants.iter().enumerate() {
            if informants[..asked].contains(endpoint) {
                continue;
            }
            let node = self.map().node(endpoint.clone());
            match node.call(&question, deadline.part(2)) {
                Ok(answers) => return self.map().learn(answers, endpoint),
                Err(failure) => {
                    last = failure.told_if_err(
                        Backend,
                        "this server is not in a cluster; its address begins with redis://",
                    );
                }
            }
        }
        Err(last)
    }

    fn map(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the node that a slot is being moved to.
fn ask(node: &Node, commands: &Pipeline, deadline: Deadline) -> Result<Vec<Value>, Failure> {
    let mut asking = Pipeline::with_capacity(2 * commands.len());
    for command in commands.cmd_iter() {
        asking.cmd("ASKING").add_command(command.clone());
    }
    let answers = node.call(&asking, deadline)?;
    Ok(answers.into_iter().skip(1).step_by(2).collect())
}

impl Map {
    fn node(&mut self, endpoint: Endpoint) -> Arc<Node> {
        let new = || Arc::new(Node::new(endpoint.clone(), Arc::clone(&self.dialer)));
        Arc::clone(self.nodes.entry(endpoint.clone()).or_insert_with(new))
    }

    /// Takes what a node answered to `CLUSTER SLOTS`.
    fn learn(&mut self, answers: Vec<Value>, told_by: &Endpoint) -> Result<(), Failure> {
        let ranges = ranges_of(answers, &told_by.host)
            .ok_or_else(|| Failure::Told(Corrupt, "the answer to CLUSTER SLOTS is none".into()))?;
        let mut informants = vec![told_by.clone()];
        for endpoint in ranges.iter().flat_map(|range| &range.nodes) {
            if !informants.contains(endpoint) {
                informants.push(endpoint.clone());
            }
        }
        self.owners = Vec::with_capacity(ranges.len());
        for range in ranges {
            if let Some(master) = range.nodes.into_iter().next() {
                let master = self.node(master);
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

fn ranges_of(answers: Vec<Value>, told_by: &str) -> Option<Vec<Range>> {
    let ranges: Vec<Vec<Value>> = redis::from_redis_value(answers.into_iter().next()?).ok()?;
    let ranges = ranges.into_iter().map(|range| range_of(range, told_by));
    ranges.collect()
}

fn range_of(range: Vec<Value>, told_by: &str) -> Option<Range> {
    let mut range = range.into_iter();
    let mut slot = || {
        let slot: u16 = redis::from_redis_value(range.next()?).ok()?;
        (slot < SLOTS).then_some(slot)
    };
    Some(Range {
        first: slot()?,
        last: slot()?,
        nodes: range
            .map(|node| endpoint_of(node, told_by))
            .collect::<Option<_>>()?,
    })
}

fn endpoint_of(node: Value, told_by: &str) -> Option<Endpoint> {
    let node: Vec<Value> = redis::from_redis_value(node).ok()?;
    let mut node = node.into_iter();
    let host: Option<String> = redis::from_redis_value(node.next()?).ok()?;
    Some(Endpoint {
        host: known_host(host.unwrap_or_default(), told_by),
        port: redis::from_redis_value(node.next()?).ok()?,
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

/// The slot of a key: of what is in its first braces, if that is not empty.
/// See [the specification](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model).
fn slot_of(key: &[u8]) -> u16 {
    crc16(tag(key).unwrap_or(key)) % SLOTS
}

fn tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|byte| *byte == b'{')?;
    let rest = &key[open + 1..];
    let length = rest.iter().position(|byte| *byte == b'}')?;
    (length > 0).then(|| &rest[..length])
}

/// CRC-16 as of XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    let step = |crc: u16| match crc & 0x8000 {
        0 => crc << 1,
        _ => (crc << 1) ^ 0x1021,
    };
    let add = |crc: u16, byte: &u8| (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| step(crc));
    bytes.iter().fold(0, add)
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
            ranges_of(vec![Value::Array(vec![range])], "asked")
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
        assert!(ranges_of(vec![Value::Okay], "asked").is_none());
        assert!(ranges_of(vec![], "asked").is_none());
    }

    #[test]
    fn the_checksum_is_that_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn only_what_is_in_the_first_braces_counts_unless_it_is_nothing() {
        assert_eq!(slot_of(b"logto:{abc}:lock"), slot_of(b"abc"));
        assert_eq!(slot_of(b"{abc}{def}"), slot_of(b"abc"));
        assert_eq!(slot_of(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
        assert_eq!(slot_of(b"foo{{bar}}"), slot_of(b"{bar"));
        assert_eq!(slot_of(b"foo{bar"), crc16(b"foo{bar") % SLOTS);
        assert_eq!(slot_of(b""), 0);
    }
}
