//! Starts the provider in `tests/provider`, and steers it.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;
use url::form_urlencoded;

pub const WEB_CLIENT: &str = "web-app";
/// Every odd character in it is different once it is form-encoded.
pub const WEB_SECRET: &str = "web-secret:with/odd+chars %&=";
pub const WEB_REDIRECT_URI: &str = "http://localhost:3000/callback";
pub const WEB_POST_LOGOUT_URI: &str = "http://localhost:3000/";

pub const NATIVE_CLIENT: &str = "native-app";
/// Any port will do.
pub const NATIVE_REDIRECT_URI: &str = "http://127.0.0.1:8765/callback";
pub const NATIVE_CUSTOM_REDIRECT_URI: &str = "io.logto.test://callback";
pub const NATIVE_POST_LOGOUT_URI: &str = "http://127.0.0.1:8765/";

pub const DEVICE_CLIENT: &str = "device-app";

pub const M2M_CLIENT: &str = "m2m-app";
pub const M2M_SECRET: &str = "m2m-secret";

pub const ALICE: &str = "alice";
pub const ALICE_SUB: &str = "alice0000001";
/// Alice's only organization.
pub const ORGANIZATION: &str = "org1";
pub const BOB: &str = "bob";
pub const BOB_SUB: &str = "bob000000002";

/// Its scopes are `read:items` and `write:items`; Alice has both, Bob none.
pub const RESOURCE: &str = "https://api.example.test";
/// Its scopes are `org:read` and `org:write`.
pub const ORGANIZATIONS_RESOURCE: &str = "urn:logto:resource:organizations";

const OLDEST_NODE: (u32, u32) = (20, 12);
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A running provider. Dropping it stops it.
pub struct Provider {
    child: Child,
    issuer: String,
    log: Arc<Mutex<String>>,
    agent: Agent,
}

impl Provider {
    /// Starts one that signs with ES384 and forgives no reuse of a refresh token.
    pub fn start() -> Self {
        Self::builder().start()
    }

    pub fn builder() -> ProviderBuilder {
        ProviderBuilder { options: json!({}) }
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The issuer without `/oidc`: what the SDK is configured with.
    pub fn endpoint(&self) -> &str {
        self.issuer
            .strip_suffix("/oidc")
            .expect("the issuer's path is /oidc")
    }

    /// Moves the provider's time, from the system's time and not from where it was moved to before.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.post("clock", &[("offset", &seconds)]);
    }

    /// The requests and connections since the start, or since [`reset_stats`](Self::reset_stats); a browser's too.
    pub fn stats(&self) -> Stats {
        let url = format!("{}/control/stats", self.endpoint());
        let mut response = self
            .agent
            .get(url)
            .call()
            .expect("the provider gives its statistics");
        let body = response
            .body_mut()
            .read_to_string()
            .expect("statistics are text");
        Stats::new(&serde_json::from_str(&body).expect("statistics are JSON"))
    }

    pub fn reset_stats(&self) {
        self.post("reset-stats", &[]);
    }

    /// The next `times` requests to `path` get `status` and the error `server_error`, and are not looked at.
    pub fn fail(&self, path: &str, status: u16, times: u32) {
        self.fail_with(path, status, "server_error", times);
    }

    /// Like [`fail`](Self::fail), with an OAuth error code.
    pub fn fail_with(&self, path: &str, status: u16, error: &str, times: u32) {
        self.post(
            "fail",
            &[
                ("path", &path),
                ("status", &status),
                ("error", &error),
                ("times", &times),
            ],
        );
    }

    /// The next `times` requests to `path` are not looked at; their connection closes.
    pub fn drop_requests(&self, path: &str, times: u32) {
        self.post(
            "fail",
            &[("path", &path), ("mode", &"drop"), ("times", &times)],
        );
    }

    /// The next `times` requests to `path` are carried out, but their connection closes in place of an answer.
    pub fn lose_answers(&self, path: &str, times: u32) {
        self.post(
            "fail",
            &[("path", &path), ("mode", &"lose"), ("times", &times)],
        );
    }

    /// The next `times` requests to `path` wait before they are looked at.
    pub fn delay(&self, path: &str, delay: Duration, times: u32) {
        let millis = delay.as_millis();
        self.post(
            "fail",
            &[
                ("path", &path),
                ("mode", &"delay"),
                ("delay", &millis),
                ("times", &times),
            ],
        );
    }

    /// Signs with a new key from now on; the old ones stay in the key set.
    pub fn rotate_keys(&self, algorithm: &str) {
        self.post("rotate-keys", &[("alg", &algorithm)]);
    }

    /// Signs with a new key from now on, and forgets the old ones.
    pub fn replace_keys(&self, algorithm: &str) {
        self.post("rotate-keys", &[("alg", &algorithm), ("keep", &"no")]);
    }

    /// Suspends a user: refreshing gives `invalid_grant`, and user info 401.
    pub fn suspend(&self, username: &str) {
        self.post("suspend", &[("username", &username)]);
    }

    fn post(&self, command: &str, parameters: &[(&str, &dyn Display)]) {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in parameters {
            query.append_pair(name, &value.to_string());
        }
        let url = format!("{}/control/{command}?{}", self.endpoint(), query.finish());
        self.agent
            .post(&url)
            .send_empty()
            .unwrap_or_else(|error| panic!("{url}: {error}"));
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // Either fails only where the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!(
                "the provider's log:\n{}",
                self.log
                    .lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner())
            );
        }
    }
}

/// What a provider can be started with. Its defaults are Logto's, but for the reuse of refresh tokens.
pub struct ProviderBuilder {
    options: Value,
}

impl ProviderBuilder {
    /// `ES384` (the default), `ES256`, `ES512`, or `RS256` (slow to start: its key has 4096 bits).
    pub fn algorithm(mut self, algorithm: &str) -> Self {
        self.options["alg"] = json!(algorithm);
        self
    }

    pub fn access_token_ttl(mut self, seconds: u32) -> Self {
        self.options["ttl"]["access_token"] = json!(seconds);
        self
    }

    pub fn id_token_ttl(mut self, seconds: u32) -> Self {
        self.options["ttl"]["id_token"] = json!(seconds);
        self
    }

    pub fn refresh_token_ttl(mut self, seconds: u32) -> Self {
        self.options["ttl"]["refresh_token"] = json!(seconds);
        self
    }

    /// For how long a used refresh token is forgiven. Logto's value is 3, and ours 0.
    pub fn reuse_grace(mut self, seconds: u32) -> Self {
        self.options["reuse_grace"] = json!(seconds);
        self
    }

    pub fn redirect_uri(self, client: &str, uri: &str) -> Self {
        self.append(client, "redirect_uris", uri)
    }

    pub fn post_logout_redirect_uri(self, client: &str, uri: &str) -> Self {
        self.append(client, "post_logout_redirect_uris", uri)
    }

    /// Where logout tokens for the client go. The client's ID tokens then have a `sid`.
    pub fn backchannel_logout_uri(mut self, client: &str, uri: &str) -> Self {
        let metadata = &mut self.options["clients"][client];
        metadata["backchannel_logout_uri"] = json!(uri);
        metadata["backchannel_logout_session_required"] = json!(true);
        self
    }

    /// # Panics
    /// Where Node or npm is missing or too old, and where the provider does not start.
    pub fn start(self) -> Provider {
        let directory = directory();
        install(&directory);
        let mut child = Command::new("node")
            .arg("server.mjs")
            .current_dir(&directory)
            .env("LOGTO_TEST_PROVIDER", self.options.to_string())
            // Held open by us: the provider ends when it closes, however this process ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("`node server.mjs` in {directory:?} does not run: {error}")
            });

        let log = collect(child.stderr.take().expect("its standard error is piped"));
        let ready = first_line(child.stdout.take().expect("its standard output is piped"));
        // From here on dropping stops the process.
        let mut provider = Provider {
            child,
            issuer: String::new(),
            log,
            agent: agent(),
        };

        let line = ready
            .recv_timeout(START_TIMEOUT)
            .unwrap_or_else(|error| panic!("the provider does not start: {error}"));
        let ready: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{error} in the ready line {line:?}"));
        provider.issuer = ready["issuer"]
            .as_str()
            .expect("the ready line has the issuer")
            .to_owned();
        provider
    }

    fn append(mut self, client: &str, member: &str, value: &str) -> Self {
        let list = &mut self.options["clients"][client][member];
        if list.is_null() {
            *list = json!([]);
        }
        list.as_array_mut()
            .expect("it was made a list")
            .push(json!(value));
        self
    }
}

/// What the provider has seen.
#[derive(Debug)]
pub struct Stats {
    /// In the order of their arrival.
    pub requests: Vec<Request>,
    pub connections: u64,
}

#[derive(Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: String,
    /// Of a token request that has been answered.
    pub grant_type: Option<String>,
    /// 0 where no answer was sent, or none yet.
    pub status: u16,
}

impl Stats {
    fn new(stats: &Value) -> Self {
        let requests = stats["requests"].as_array().expect("requests is a list");
        Self {
            requests: requests.iter().map(Request::new).collect(),
            connections: stats["connections"]
                .as_u64()
                .expect("connections is a number"),
        }
    }

    /// How many requests there were to a path, such as `/oidc/token`.
    pub fn count(&self, path: &str) -> usize {
        self.requests
            .iter()
            .filter(|request| request.path == path)
            .count()
    }

    /// How many token requests there were with this grant type.
    pub fn grants(&self, grant_type: &str) -> usize {
        self.requests
            .iter()
            .filter(|request| request.grant_type.as_deref() == Some(grant_type))
            .count()
    }
}

impl Request {
    fn new(request: &Value) -> Self {
        let text = |name: &str| request[name].as_str().map(str::to_owned);
        Self {
            method: text("method").expect("a request has a method"),
            path: text("path").expect("a request has a path"),
            query: text("query").unwrap_or_default(),
            grant_type: text("grant_type"),
            status: request["status"]
                .as_u64()
                .and_then(|status| status.try_into().ok())
                .expect("a status is a number"),
        }
    }
}

/// Commands come at any time, and the provider closes idle connections: so none is kept.
fn agent() -> Agent {
    Agent::config_builder()
        .max_idle_connections(0)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into()
}

/// In the workspace, whichever package of the workspace the test is in.
fn directory() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package
        .ancestors()
        .map(|folder| folder.join("tests/provider"))
        .find(|provider| provider.join("server.mjs").is_file())
        .expect("the workspace has tests/provider")
}

/// Once per content of the lock file, whichever test comes first, in whichever process.
fn install(directory: &Path) {
    check_node();
    let guard = File::create(directory.join(".install.lock")).expect("tests/provider is writable");
    guard.lock().expect("the file system has locks");

    let wanted =
        fs::read(directory.join("package-lock.json")).expect("tests/provider has a lock file");
    let stamp = directory.join("node_modules/.installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return;
    }
    let output = Command::new(npm())
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(directory)
        .output()
        .unwrap_or_else(|error| panic!("{}", missing("npm", &error)));
    assert!(
        output.status.success(),
        "`npm ci` in {directory:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::write(stamp, wanted).expect("node_modules is writable");
}

fn check_node() {
    let output = Command::new("node")
        .arg("--version")
        .output()
        .unwrap_or_else(|error| panic!("{}", missing("node", &error)));
    let version = String::from_utf8_lossy(&output.stdout);
    let mut numbers = version
        .trim()
        .trim_start_matches('v')
        .split('.')
        .map_while(|number| number.parse().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    assert!(
        found >= OLDEST_NODE,
        "{}",
        missing("node", &format_args!("found version {}", version.trim()))
    );
}

fn npm() -> &'static str {
    if cfg!(windows) { "npm.cmd" } else { "npm" }
}

fn missing(program: &str, reason: &dyn Display) -> String {
    let (major, minor) = OLDEST_NODE;
    format!(
        "the integration tests run against a real OpenID provider on Node, and `{program}` is missing or too old ({reason}): \
         install Node.js {major}.{minor} or newer with npm (https://nodejs.org/en/download, or `apt-get install nodejs npm`) \
         so that `node` and `npm` are on the PATH"
    )
}

/// Reads on after the line, so that the provider never writes into a closed pipe.
fn first_line(stdout: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

fn collect(stderr: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let log = Arc::new(Mutex::new(String::new()));
    let writer = Arc::clone(&log);
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut log = writer
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            log.push_str(&line);
            log.push('\n');
        }
    });
    log
}
