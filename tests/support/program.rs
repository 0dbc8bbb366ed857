//! The examples as their reader starts them, with `cargo run`.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use url::Url;

/// The first start may have to compile it.
const START_TIMEOUT: Duration = Duration::from_secs(900);

/// What it says where it does not start.
pub fn refusal(example: &str, environment: &[(&str, &str)]) -> String {
    let data = tempfile::tempdir().unwrap();
    let Output { status, stderr, .. } = command(example, data.path())
        .envs(environment.iter().copied())
        .output()
        .expect("cargo runs");
    let message = String::from_utf8_lossy(&stderr).into_owned();
    assert!(!status.success(), "{message}");
    assert!(!message.contains("panicked"), "{message}");
    message
}

/// A port that nobody listens at.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it has an address").port()
}

/// Runs an example in this folder.
pub fn command(example: &str, data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO"));
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    command
        .args([
            "run",
            "--quiet",
            "--example",
            example,
            "--manifest-path",
            manifest,
        ])
        .current_dir(data)
        .env("PORT", "0")
        .env("QUICKSTART_DATA", data)
        .env("QUICKSTART_FAKE_PORT", "0");
    // What cargo tells this test of its package. Build scripts ask for it, and all would be built again.
    for (name, _) in env::vars_os() {
        let is_of_the_package =
            |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(is_of_the_package) {
            command.env_remove(name);
        }
    }
    // The developer's own.
    for name in [
        "BASE_URL",
        "LOGTO_ENDPOINT",
        "LOGTO_APP_ID",
        "LOGTO_APP_SECRET",
        "LOGTO_RESOURCE",
        "LOGTO_SCOPES",
        "QUICKSTART_LOGIN_PAGE",
    ] {
        command.env_remove(name);
    }
    command
}

/// An example, running. Dropping it kills it.
pub struct Program {
    example: &'static str,
    child: Child,
    pub base_url: String,
    /// The lines that it wrote until it listened.
    pub output: Vec<String>,
    data: Option<TempDir>,
}

impl Program {
    /// Starts it with a folder of its own, on a free port unless `PORT` is given, and waits for the line
    /// that says where it listens.
    pub fn start(example: &'static str, environment: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), example, environment)
    }

    /// Starts one that does not say where it listens, and waits until it does.
    pub fn start_at(example: &'static str, base_url: &str, environment: &[(&str, &str)]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let child = command(example, data.path())
            .envs(environment.iter().copied())
            .spawn()
            .expect("cargo runs");
        let program = Self {
            example,
            child,
            base_url: base_url.to_owned(),
            output: Vec::new(),
            data: Some(data),
        };
        let address = base_url.trim_start_matches("http://");
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < START_TIMEOUT, "it does not start");
            thread::sleep(Duration::from_millis(50));
        }
        program
    }

    fn start_in(data: TempDir, example: &'static str, environment: &[(&str, &str)]) -> Self {
        let mut child = command(example, data.path())
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("cargo runs");
        let lines = lines(child.stdout.take().expect("its output is piped"));
        // From here on dropping kills it.
        let mut program = Self {
            example,
            child,
            base_url: String::new(),
            output: Vec::new(),
            data: Some(data),
        };
        while program.base_url.is_empty() {
            program.read_line(&lines);
        }
        program
    }

    fn read_line(&mut self, lines: &Receiver<String>) {
        let line = lines
            .recv_timeout(START_TIMEOUT)
            .unwrap_or_else(|error| panic!("it does not start ({error}): {:?}", self.output));
        if let Some(base_url) = line.strip_prefix("Listening on ") {
            self.base_url = base_url.to_owned();
        }
        self.output.push(line);
    }

    /// With the same data, on the same ports.
    pub fn kill_and_restart(mut self) -> Self {
        let (data, example) = (self.data.take().unwrap(), self.example);
        let port = port(&self.base_url);
        let fake_port = self.output[0].split_whitespace().find_map(|word| {
            let address = word.trim_end_matches('.');
            address.starts_with("http://").then(|| self::port(address))
        });
        drop(self);
        let fake_port = fake_port.expect("it says where the fake server is");
        let ports = [
            ("PORT", port.as_str()),
            ("QUICKSTART_FAKE_PORT", fake_port.as_str()),
        ];
        Self::start_in(data, example, &ports)
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Either fails only where the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn port(url: &str) -> String {
    let url = Url::parse(url).expect("it is a URL");
    url.port().expect("it has a port").to_string()
}

/// Reads on after the last line that is asked for, so that nobody writes into a closed pipe.
fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}
