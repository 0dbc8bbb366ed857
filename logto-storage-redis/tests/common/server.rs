//! Real Redis servers for tests: each in a directory of its own, on a free port of this machine, gone
//! with the test, or with its process however that ends. Needs `redis-server` in the path.
#![allow(dead_code)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// Longer than anything takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the server when told, and at the end of its input ends it and deletes its directory.
const KEEPER: &str = r#"
trap '' INT TERM HUP
pid=
while read -r word; do
    case $word in
        start)
            redis-server "$1/redis.conf" $2 >>"$1/log" 2>&1 </dev/null &
            pid=$!
            echo "$pid" ;;
        wait)
            wait "$pid"
            echo done ;;
    esac
done
kill -9 "$pid" 2>/dev/null
wait "$pid" 2>/dev/null
rm -rf "$1"
"#;

/// A server of this process that all its tests share, each with a [`unique_prefix`].
pub fn shared() -> &'static RedisServer {
    static SERVER: OnceLock<RedisServer> = OnceLock::new();
    SERVER.get_or_init(RedisServer::start)
}

/// A cluster of three masters without replicas that all tests of this process share.
pub fn shared_cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(3, 0))
}

/// A prefix of keys that no other test has.
pub fn unique_prefix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{count}", std::process::id())
}

/// Asks until it is so; fails the test if it never is.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Nil,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Reply>),
    Error(String),
}

impl Reply {
    /// As text, of whatever kind; empty of none.
    pub fn text(&self) -> String {
        match self {
            Reply::Nil | Reply::List(_) => String::new(),
            Reply::Integer(number) => number.to_string(),
            Reply::Text(text) | Reply::Error(text) => text.clone(),
            Reply::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        }
    }

    pub fn list(&self) -> &[Reply] {
        match self {
            Reply::List(list) => list,
            _ => &[],
        }
    }
}

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct RedisServerBuilder {
    config: Vec<String>,
    password: Option<String>,
    tls: Option<[String; 3]>,
    is_sentinel: bool,
    port: Option<u16>,
}

impl RedisServerBuilder {
    /// A line of redis.conf.
    pub fn config(mut self, line: impl Into<String>) -> Self {
        self.config.push(line.into());
        self
    }

    /// `always`, `everysec` (the default) or `no`.
    pub fn append_fsync(self, when: &str) -> Self {
        self.config(format!("appendfsync {when}"))
    }

    /// The password of the user `default`. Without blanks and quotes.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        let lines = [
            format!("requirepass {password}"),
            format!("masterauth {password}"),
        ];
        self.config.extend(lines);
        self
    }

    /// The limit of memory, such as `3mb`, beyond which writing is refused.
    pub fn max_memory(self, limit: &str) -> Self {
        self.config(format!("maxmemory {limit}"))
            .config("maxmemory-policy noeviction")
    }

    /// TLS only, with this certificate, its key and the authority that signed it, each in PEM.
    /// Clients need no certificate.
    pub fn tls(mut self, certificate: &str, key: &str, authority: &str) -> Self {
        self.tls = Some([certificate, key, authority].map(str::to_owned));
        self
    }

    pub fn replica_of(self, master: &RedisServer) -> Self {
        self.config(format!("replicaof 127.0.0.1 {}", master.port()))
            .config("repl-diskless-sync-delay 0")
    }

    pub fn start(self) -> RedisServer {
        for _ in 0..20 {
            let port = self.port.unwrap_or_else(free_port);
            let server = RedisServer::launch(&self, port);
            if server.answers() {
                return server;
            }
            // Another process has taken the port meanwhile.
        }
        panic!("redis-server does not start; is it installed? (Debian: redis-server)");
    }
}

/// One server. Dropping it ends it and deletes what it stored.
pub struct RedisServer {
    port: u16,
    directory: PathBuf,
    password: Option<String>,
    is_tls: bool,
    keeper: Mutex<Keeper>,
}

struct Keeper {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    pid: String,
}

impl RedisServer {
    /// With an append-only file, and nothing else that is not the default.
    pub fn start() -> Self {
        Self::builder().start()
    }

    pub fn builder() -> RedisServerBuilder {
        RedisServerBuilder::default()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `redis://` or `rediss://`, with the password if there is one.
    pub fn url(&self) -> String {
        let scheme = if self.is_tls { "rediss" } else { "redis" };
        match &self.password {
            Some(password) => format!("{scheme}://:{password}@{}", self.address()),
            None => format!("{scheme}://{}", self.address()),
        }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The answer to one command, sent past the network and with all rights. Fails the test if it
    /// is an error.
    pub fn command(&self, words: &[&str]) -> Reply {
        match self.try_command(words) {
            Reply::Error(error) => panic!("{words:?}: {error}"),
            reply => reply,
        }
    }

    /// As [`command`](Self::command), but may be an error, of the server or the connection.
    pub fn try_command(&self, words: &[&str]) -> Reply {
        let words: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
        self.send(&words)
            .unwrap_or_else(|error| Reply::Error(error.to_string()))
    }

    pub fn config_set(&self, name: &str, value: &str) {
        self.command(&["CONFIG", "SET", name, value]);
    }

    /// Makes a user: `rules` as of `ACL SETUSER`, such as `on >password ~* +@all`.
    pub fn acl_user(&self, name: &str, rules: &str) {
        let mut words = vec!["ACL", "SETUSER", name];
        words.extend(rules.split_whitespace());
        self.command(&words);
    }

    /// One line of `INFO`.
    pub fn info(&self, name: &str) -> Option<String> {
        let info = self.try_command(&["INFO", "everything"]).text();
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.trim().to_owned())
    }

    /// Ends it as an operator does, so that all is on the disk.
    pub fn stop(&self) {
        self.signal("CONT");
        self.signal("TERM");
        self.keeper().ask("wait");
    }

    /// Ends it as a power failure does.
    pub fn kill(&self) {
        self.signal("KILL");
        self.keeper().ask("wait");
    }

    /// Starts it again, after [`stop`](Self::stop) or [`kill`](Self::kill), on the same port.
    pub fn start_again(&self) {
        self.keeper().start();
        assert!(self.answers(), "{}", self.log());
    }

    pub fn restart(&self) {
        self.stop();
        self.start_again();
    }

    /// Makes it hang, with its connections open.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// What it has written on its standard output.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    fn launch(builder: &RedisServerBuilder, port: u16) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("redis-")
            .tempdir()
            .unwrap()
            .keep();
        fs::write(
            directory.join("redis.conf"),
            configuration(builder, port, &directory),
        )
        .unwrap();
        let mode = if builder.is_sentinel {
            "--sentinel"
        } else {
            ""
        };
        let mut child = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&directory)
            .arg(mode)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut keeper = Keeper {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
            pid: String::new(),
        };
        keeper.start();
        Self {
            port,
            directory,
            password: builder.password.clone(),
            is_tls: builder.tls.is_some(),
            keeper: Mutex::new(keeper),
        }
    }

    /// Whether it answers, after waiting for it; `false` if it has ended.
    fn answers(&self) -> bool {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if self.try_command(&["PING"]) == Reply::Text("PONG".to_owned()) {
                return true;
            }
            if !self.is_running() {
                return false;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }

    fn is_running(&self) -> bool {
        let path = format!("/proc/{}/stat", self.keeper().pid);
        match Path::new("/proc/self").exists() {
            true => fs::read_to_string(path).is_ok_and(|stat| !stat.contains(") Z ")),
            false => true,
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.keeper().pid.clone();
        let kill = Command::new("sh")
            .args(["-c", "kill -$1 $2", "kill", name, &pid])
            .stderr(Stdio::null())
            .status();
        kill.unwrap();
    }

    fn keeper(&self) -> MutexGuard<'_, Keeper> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, words: &[&[u8]]) -> std::io::Result<Reply> {
        let mut stream = UnixStream::connect(self.directory.join("socket"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        if let Some(password) = &self.password {
            stream.write_all(&packed(&[b"AUTH", password.as_bytes()]))?;
            read_reply(&mut reader)?;
        }
        stream.write_all(&packed(words))?;
        read_reply(&mut reader)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let mut keeper = self.keeper();
        keeper.input = None;
        keeper.child.wait().ok();
    }
}

impl Keeper {
    fn start(&mut self) {
        self.pid = self.ask("start");
    }

    fn ask(&mut self, what: &str) -> String {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{what}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        answer.trim().to_owned()
    }
}

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
        let mut builder = RedisServer::builder()
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

fn configuration(builder: &RedisServerBuilder, port: u16, directory: &Path) -> String {
    let mut lines = vec![
        "bind 127.0.0.1".to_owned(),
        format!("dir {}", directory.display()),
        format!("unixsocket {}/socket", directory.display()),
    ];
    match &builder.tls {
        None => lines.push(format!("port {port}")),
        Some(pems) => {
            lines.extend(["port 0".to_owned(), format!("tls-port {port}")]);
            lines.push("tls-auth-clients no".to_owned());
            for (name, pem) in ["tls-cert-file", "tls-key-file", "tls-ca-cert-file"]
                .iter()
                .zip(pems)
            {
                fs::write(directory.join(name), pem).unwrap();
                lines.push(format!("{name} {}/{name}", directory.display()));
            }
        }
    }
    if !builder.is_sentinel {
        lines.extend(["appendonly yes", "save \"\""].map(str::to_owned));
    }
    lines.extend(builder.config.iter().cloned());
    lines.join("\n") + "\n"
}

/// Below those that the system gives to clients, so that it stays free during a restart; so is the
/// one 10000 above it, for a cluster.
fn free_port() -> u16 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        let mixed = (now.subsec_nanos() / 1000)
            .wrapping_add(std::process::id().wrapping_mul(7919))
            .wrapping_add(count.wrapping_mul(104_729));
        let port = 10_000 + (mixed % 12_000) as u16;
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}

fn packed(words: &[&[u8]]) -> Vec<u8> {
    let mut packed = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        packed.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        packed.extend_from_slice(word);
        packed.extend_from_slice(b"\r\n");
    }
    packed
}

fn read_reply(reader: &mut impl BufRead) -> std::io::Result<Reply> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let line = line.trim_end();
    let number = || line[1..].parse::<i64>().unwrap();
    Ok(match line.as_bytes().first() {
        Some(b'+') => Reply::Text(line[1..].to_owned()),
        Some(b'-') => Reply::Error(line[1..].to_owned()),
        Some(b':') => Reply::Integer(number()),
        Some(b'$') if number() < 0 => Reply::Nil,
        Some(b'$') => {
            let mut bytes = vec![0; number() as usize + 2];
            reader.read_exact(&mut bytes)?;
            bytes.truncate(bytes.len() - 2);
            Reply::Bytes(bytes)
        }
        Some(b'*') if number() < 0 => Reply::Nil,
        Some(b'*') => {
            let replies = (0..number()).map(|_| read_reply(reader));
            Reply::List(replies.collect::<Result<_, _>>()?)
        }
        _ => return Err(std::io::ErrorKind::UnexpectedEof.into()),
    })
}
