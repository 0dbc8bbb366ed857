//! Real Redis servers for tests: each in a directory of its own, on a free port of this machine, gone
//! with the test, or with its process however that ends. Needs `redis-server` in the path.
#![allow(dead_code, unused_imports)]

mod cluster;
mod reply;

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use cluster::{Cluster, Sentinel};
pub use reply::Reply;

use reply::{packed, read_reply};

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
    let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let random = RandomState::new().build_hasher().finish();
        let port = 10_000 + (random % 12_000) as u16;
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}
