//! Where this application is, and where it keeps its sessions.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use crate::Failure;

pub struct Settings {
    pub port: u16,
    /// Without a slash at the end. It is configured, and never taken from a request: the `Host`
    /// header is whatever the client says.
    pub base_url: String,
    data: PathBuf,
}

impl Settings {
    pub fn from_env() -> Result<Self, Failure> {
        let port = available(port("PORT", 3000)?)?;
        let base_url = variable("BASE_URL").unwrap_or_else(|| format!("http://localhost:{port}"));
        let data = variable("QUICKSTART_DATA").map_or_else(|| default_data(port), PathBuf::from);
        fs::create_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
        Ok(Self {
            port,
            base_url: base_url.trim_end_matches('/').to_owned(),
            data,
        })
    }

    /// Where Logto sends the browser after a sign-in.
    pub fn redirect_uri(&self) -> String {
        format!("{}/callback", self.base_url)
    }

    /// Where Logto sends the browser after a sign-out.
    pub fn post_sign_out_uri(&self) -> String {
        format!("{}/", self.base_url)
    }

    /// Sessions of one application mean nothing to another, nor to another server.
    pub fn database(&self, endpoint: &str, app_id: &str) -> PathBuf {
        let name: String = format!("{endpoint} {app_id}")
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        self.data.join(format!("sessions-{name}.db"))
    }

    pub fn fake_server_state(&self) -> PathBuf {
        self.data.join("fake-logto.json")
    }
}

/// The value of an environment variable; `None` if it is not set, or empty.
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

pub fn port(name: &str, default: u16) -> Result<u16, Failure> {
    match variable(name) {
        Some(port) => port
            .parse()
            .map_err(|_| format!("{name} is {port:?}, which is no port").into()),
        None => Ok(default),
    }
}

/// The port itself, or a free one for 0. Tried before anything else starts: the base URL depends on
/// it, and a second copy of this program must not touch the data of the first.
fn available(port: u16) -> Result<u16, Failure> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(listener) => Ok(listener.local_addr()?.port()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(format!(
            "port {port} is taken by another program; choose another one, such as PORT=8080"
        )
        .into()),
        Err(error) => Err(format!("port {port}: {error}").into()),
    }
}

/// Each port's copy of this program has data of its own.
fn default_data(port: u16) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/quickstart")).join(port.to_string())
}
