//! A user with a machine of their own, and a server.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use logto_testing::{FakeApp, FakeLogto, FakeUser};
use tempfile::TempDir;

pub const RESOURCE: &str = "https://api.example.test";
pub const PASSPHRASE: &str = "correct horse battery staple";

/// What no test should take.
pub const LONG: Duration = Duration::from_secs(120);
const STEP: Duration = Duration::from_millis(20);

pub struct Scene {
    pub fake: FakeLogto,
    folder: TempDir,
}

impl Scene {
    pub fn new() -> Self {
        let alice = FakeUser::new("alice")
            .name("Alice Example")
            .email("alice@example.test")
            .organization("org1", "Acme", ["admin"]);
        let fake = FakeLogto::builder()
            .app(FakeApp::native("cli").redirect_uri("http://127.0.0.1/callback"))
            .user(alice)
            .resource(RESOURCE, ["read:items"])
            .start();
        let folder = tempfile::tempdir().unwrap();
        write_browser(&folder);
        Self { fake, folder }
    }

    /// The application with a passphrase in its environment, and without a terminal.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command_without_passphrase(arguments);
        command.env("LOGTO_CLI_PASSPHRASE", PASSPHRASE);
        command
    }

    pub fn command_without_passphrase(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logto-cli"));
        command.args(arguments).stdin(Stdio::null());
        self.set_up(&mut command);
        command
    }

    /// Gives it the settings, and nothing of whoever runs the test; no keyring above all.
    pub fn set_up(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            let is_ours = ["LOGTO_", "DBUS_", "XDG_", "DISPLAY", "LC_", "BROWSER"];
            if is_ours
                .iter()
                .any(|start| name.to_string_lossy().starts_with(start))
            {
                command.env_remove(name);
            }
        }
        command
            .env("LOGTO_ENDPOINT", self.fake.endpoint())
            .env("LOGTO_APP_ID", self.fake.app_id())
            .env("LOGTO_RESOURCES", RESOURCE)
            .env("LOGTO_SCOPES", "read:items")
            .env("LOGTO_CLI_DATA", self.data())
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
            .env("BROWSER", self.folder.path().join("browser"))
            .env("TERM", "xterm-256color")
            .env("LANG", "C.UTF-8");
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Signs Alice in, without a terminal.
    pub fn sign_in(&self) {
        let child = self
            .command(&["login"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        self.finish_sign_in();
        let output = child.wait_with_output().unwrap();
        assert_eq!(status(&output), 0, "{}", stderr(&output));
    }

    /// What the browser was opened with, once it has been.
    pub fn opened(&self) -> String {
        let path = self.folder.path().join("url");
        let steps = LONG.as_millis() / STEP.as_millis();
        for _ in 0..steps {
            if let Ok(url) = fs::read_to_string(&path) {
                fs::remove_file(&path).unwrap();
                return url;
            }
            thread::sleep(STEP);
        }
        panic!("no browser was opened");
    }

    /// Alice signs in in her browser.
    pub fn finish_sign_in(&self) {
        let callback = self.fake.authorize(&self.opened());
        let page = ureq::get(&callback).call().unwrap();
        assert_eq!(page.status(), 200);
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The file of the session; `None` if there is none.
    pub fn session_file(&self) -> Option<PathBuf> {
        let folder = fs::read_dir(self.data()).ok()?.next()?.unwrap().path();
        ["session.passphrase", "session.keyring"]
            .map(|name| {
                folder
                    .join(name)
                    .join(format!("{}.session", "0".repeat(64)))
            })
            .into_iter()
            .find(|path| path.exists())
    }

    /// Whether the server takes this as an access token of Alice's.
    pub fn is_accepted(&self, token: &str) -> bool {
        let url = format!("{}/oidc/me", self.fake.endpoint());
        let answer = ureq::get(url)
            .header("Authorization", format!("Bearer {token}"))
            .call();
        answer.is_ok_and(|answer| answer.status() == 200)
    }
}

pub fn status(output: &Output) -> i32 {
    output.status.code().expect("no signal ended it")
}

pub fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

pub fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

/// A browser that only notes where it was sent.
#[cfg(unix)]
fn write_browser(folder: &TempDir) {
    use std::os::unix::fs::PermissionsExt;

    let path = folder.path().join("browser");
    let url = folder.path().join("url");
    let url = url.display();
    let script = format!("#!/bin/sh\nprintf %s \"$1\" > '{url}.part' && mv '{url}.part' '{url}'\n");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[cfg(not(unix))]
fn write_browser(_: &TempDir) {}
