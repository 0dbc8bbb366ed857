//! A cluster of real servers, and a Sentinel.

use super::{RedisServer, RedisServerBuilder, Reply, eventually};

/// A cluster of servers, whose slots are spread evenly over its masters.
pub struct Cluster {
    nodes: Vec<RedisServer>,
    masters: usize,
}

impl Cluster {
    pub fn start(masters: usize, replicas_per_master: usize) -> Self {
        Self::start_with(RedisServer::builder(), masters, replicas_per_master)
    }

    /// As [`start`](Self::start), with nodes like these.
    pub fn start_with(
        node: RedisServerBuilder,
        masters: usize,
        replicas_per_master: usize,
    ) -> Self {
        let count = masters * (1 + replicas_per_master);
        let node = node
            .config("cluster-enabled yes")
            .config("cluster-node-timeout 2000")
            .config("repl-diskless-sync-delay 0");
        let nodes: Vec<_> = (0..count).map(|_| node.clone().start()).collect();
        let cluster = Self { nodes, masters };
        cluster.form();
        cluster
    }

    /// The masters first, as they were at the start.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// `redis+cluster://` with all nodes.
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.nodes.iter().map(RedisServer::address).collect();
        let login = match &self.nodes[0].password {
            Some(password) => format!(":{password}@"),
            None => String::new(),
        };
        format!("redis+cluster://{login}{}", hosts.join(","))
    }

    /// The slot that the servers say a key is in.
    pub fn slot_of(&self, key: &str) -> u16 {
        let slot = self.nodes[0].command(&["CLUSTER", "KEYSLOT", key]);
        slot.text().parse().unwrap()
    }

    /// The index of the node that has the slot now.
    pub fn owner_of(&self, slot: u16) -> usize {
        let ranges = self.nodes[0].command(&["CLUSTER", "SLOTS"]);
        let has_slot = |range: &&Reply| {
            let bound = |index: usize| range.list()[index].text().parse::<u16>().unwrap();
            (bound(0)..=bound(1)).contains(&slot)
        };
        let range = ranges
            .list()
            .iter()
            .find(has_slot)
            .expect("every slot has an owner");
        let port = range.list()[2].list()[1].text();
        let is_owner = |node: &RedisServer| node.port().to_string() == port;
        self.nodes.iter().position(is_owner).unwrap()
    }

    /// Moves a slot to another master, with its keys, as an operator does while it is in use.
    pub fn move_slot(&self, slot: u16, to: usize) {
        self.begin_move(slot, to);
        self.end_move(slot, to);
    }

    /// The first half: keys that are there already stay, new ones are made at the new node (`ASK`).
    pub fn begin_move(&self, slot: u16, to: usize) {
        let (from, slot) = (self.owner_of(slot), slot.to_string());
        let set = |at: usize, state: &str, other: usize| {
            self.nodes[at].command(&["CLUSTER", "SETSLOT", &slot, state, &self.id(other)]);
        };
        set(to, "IMPORTING", from);
        set(from, "MIGRATING", to);
    }

    /// The second half: keys are moved, and all nodes are told.
    pub fn end_move(&self, slot: u16, to: usize) {
        let (from, slot) = (self.owner_of(slot), slot.to_string());
        let port = self.nodes[to].port().to_string();
        loop {
            let keys = self.nodes[from].command(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
            if keys.list().is_empty() {
                break;
            }
            for key in keys.list() {
                let move_key = ["MIGRATE", "127.0.0.1", &port, &key.text(), "0", "5000"];
                self.nodes[from].command(&move_key);
            }
        }
        for node in [to, from].into_iter().chain(0..self.masters) {
            self.nodes[node].command(&["CLUSTER", "SETSLOT", &slot, "NODE", &self.id(to)]);
        }
    }

    fn id(&self, node: usize) -> String {
        self.nodes[node].command(&["CLUSTER", "MYID"]).text()
    }

    fn form(&self) {
        let bounds = |index: usize| index * 16384 / self.masters;
        for (index, node) in self.nodes.iter().enumerate() {
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
            if index < self.masters {
                let (first, last) = (
                    bounds(index).to_string(),
                    (bounds(index + 1) - 1).to_string(),
                );
                node.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]);
            }
        }
        for node in &self.nodes[1..] {
            self.nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &node.port().to_string()]);
        }
        self.await_info("cluster_known_nodes", &self.nodes.len().to_string());
        for (index, node) in self.nodes.iter().enumerate().skip(self.masters) {
            node.command(&["CLUSTER", "REPLICATE", &self.id(index % self.masters)]);
        }
        self.await_info("cluster_state", "ok");
        self.await_info("cluster_slots_ok", "16384");
        for replica in &self.nodes[self.masters..] {
            eventually("a replica is linked", || {
                replica.info("master_link_status").as_deref() == Some("up")
            });
        }
    }

    fn await_info(&self, name: &str, value: &str) {
        let line = format!("{name}:{value}");
        for node in &self.nodes {
            eventually(&line, || {
                let info = node.try_command(&["CLUSTER", "INFO"]).text();
                info.lines().any(|found| found.trim() == line)
            });
        }
    }
}

/// One Sentinel, which alone decides that a master is down, after a second.
pub struct Sentinel {
    server: RedisServer,
}

impl Sentinel {
    /// Watches the master under this name of a service.
    pub fn start(service: &str, master: &RedisServer) -> Self {
        Self::start_as(RedisServer::builder(), service, master)
    }

    /// As [`start`](Self::start), with a password of its own.
    pub fn start_with_password(password: &str, service: &str, master: &RedisServer) -> Self {
        let mut builder = RedisServer::builder().config(format!("requirepass {password}"));
        builder.password = Some(password.to_owned());
        Self::start_as(builder, service, master)
    }

    fn start_as(builder: RedisServerBuilder, service: &str, master: &RedisServer) -> Self {
        let mut builder = builder
            .config(format!(
                "sentinel monitor {service} 127.0.0.1 {} 1",
                master.port()
            ))
            .config(format!("sentinel down-after-milliseconds {service} 1000"))
            .config(format!("sentinel failover-timeout {service} 3000"));
        if let Some(password) = &master.password {
            builder = builder.config(format!("sentinel auth-pass {service} {password}"));
        }
        builder.is_sentinel = true;
        Self {
            server: builder.start(),
        }
    }

    pub fn server(&self) -> &RedisServer {
        &self.server
    }

    pub fn address(&self) -> String {
        self.server.address()
    }

    /// The port of whom it holds to be the master.
    pub fn master_port(&self, service: &str) -> Option<u16> {
        let asked = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", service];
        let address = self.server.try_command(&asked);
        address.list().get(1)?.text().parse().ok()
    }

    /// Until it knows so many replicas of the master.
    pub fn await_replicas(&self, service: &str, count: usize) {
        eventually("Sentinel knows the replicas", || {
            let replicas = self.server.try_command(&["SENTINEL", "REPLICAS", service]);
            replicas.list().len() == count
        });
    }
}
