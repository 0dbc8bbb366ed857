//! Python's `logto`, installed from PyPI, and the programs over it.

use std::fmt::Display;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// The Python web application, with the database of its sessions.
pub struct WebApp {
    python: PathBuf,
    endpoint: String,
    directory: TempDir,
}

impl WebApp {
    /// # Panics
    /// Where Python is missing or too old, and where PyPI cannot be had.
    pub fn new(endpoint: &str) -> Self {
        Self {
            python: installed(),
            endpoint: endpoint.to_owned(),
            directory: tempfile::tempdir().expect("temporary directories can be made"),
        }
    }

    /// Starts a sign-in in this session, and returns the URL to send the browser to.
    pub fn sign_in(&self, session: &str) -> String {
        text(&self.request(session, &["sign-in"]))
    }

    pub fn callback(&self, session: &str, url: &str) {
        self.request(session, &["callback", url]);
    }

    /// Those of the ID token, but for what is `None`.
    pub fn claims(&self, session: &str) -> Value {
        self.request(session, &["claims"])
    }

    pub fn access_token(&self, session: &str, resource: &str) -> String {
        text(&self.request(session, &["token", resource]))
    }

    /// The lines of the export.
    pub fn export(&self) -> String {
        let database = self.database();
        self.run(&["export_sessions.py", &database])
    }

    /// What this code prints, which has a storage in `storage` and a user's way to Logto in `browser`.
    pub fn run_code(&self, code: &str) -> String {
        let file = self.directory.path().join("code.py");
        fs::write(&file, code).expect("temporary files can be written");
        let mut command = Command::new(&self.python);
        command
            .args(["-I", "-B", "first_sign_in.py"])
            .stdin(File::open(&file).expect("it was written"))
            .env("LOGTO_ENDPOINT", &self.endpoint)
            .env("LOGTO_APP_ID", "app")
            .env("LOGTO_APP_SECRET", "secret")
            .current_dir(sources());
        succeeded(&mut command)
    }

    fn request(&self, session: &str, action: &[&str]) -> Value {
        let database = self.database();
        let mut arguments = vec!["web_app.py", &self.endpoint, &database, session];
        arguments.extend(action);
        serde_json::from_str(&self.run(&arguments)).expect("it prints JSON")
    }

    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.python);
        command
            .args(["-I", "-B"])
            .args(arguments)
            .current_dir(sources());
        succeeded(&mut command)
    }

    fn database(&self) -> String {
        let path = self.directory.path().join("sessions.db");
        path.to_str().expect("temporary paths are UTF-8").to_owned()
    }
}

/// Every public name of the Python SDK.
pub fn names() -> Vec<String> {
    let mut command = Command::new(installed());
    command
        .args(["-I", "-B", "names.py"])
        .current_dir(sources());
    serde_json::from_str(&succeeded(&mut command)).expect("it prints JSON")
}

fn text(value: &Value) -> String {
    value.as_str().expect("it is a text").to_owned()
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python_migration")
}

/// The interpreter that has the packages. They are installed once per content of the requirements,
/// whichever test comes first, in whichever process.
fn installed() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python_migration");
    fs::create_dir_all(&directory).expect("the target directory is writable");
    let guard = File::create(directory.join(".install.lock")).expect("it is writable");
    guard.lock().expect("the file system has locks");

    let environment = directory.join("venv");
    let python = environment.join(match cfg!(windows) {
        true => "Scripts/python.exe",
        false => "bin/python",
    });
    let requirements = sources().join("requirements.txt");
    let wanted = fs::read(&requirements).expect("the requirements are there");
    let stamp = environment.join(".installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) && runs(&python) {
        return python;
    }
    make_environment(&environment);
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ])
    .args([
        "--no-deps",
        "--only-binary",
        ":all:",
        "--require-hashes",
        "-r",
    ])
    .arg(requirements);
    succeeded(&mut pip);
    fs::write(stamp, wanted).expect("the environment is writable");
    python
}

/// It does not where the Python that the environment was made with is gone.
fn runs(python: &Path) -> bool {
    let output = Command::new(python).arg("--version").output();
    output.is_ok_and(|output| output.status.success())
}

fn make_environment(environment: &Path) {
    let name = if cfg!(windows) { "python" } else { "python3" };
    let mut check = Command::new(name);
    check.args([
        "-c",
        "import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))",
    ]);
    match check.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!("{}", missing(&String::from_utf8_lossy(&output.stderr))),
        Err(error) => panic!("{}", missing(&error)),
    }
    succeeded(
        Command::new(name)
            .args(["-m", "venv", "--clear"])
            .arg(environment),
    );
}

fn missing(reason: &dyn Display) -> String {
    format!(
        "this test runs Logto's Python SDK, and `python3` with `venv` is missing or too old ({reason}): install Python 3.10 or \
         newer (https://www.python.org/downloads, or `apt-get install python3 python3-venv`) so that it is on the PATH"
    )
}

/// What it wrote to its standard output.
fn succeeded(command: &mut Command) -> String {
    let output = command.output();
    let Output {
        status,
        stdout,
        stderr,
    } = output.unwrap_or_else(|error| panic!("{command:?} does not run: {error}"));
    assert!(
        status.success(),
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&stderr)
    );
    String::from_utf8(stdout).expect("it prints UTF-8")
}
