//! Where the servers are, from a URL.

use std::fmt;
use std::net::Ipv6Addr;
use std::time::Duration;

use logto_core::StorageError;
use percent_encoding::percent_decode_str;

use crate::error::refused_setting;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Where the servers are, how to log in, and the settings that the URL carries. `Debug` and
/// `Display` show hosts only.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(super) servers: Servers,
    pub(super) is_tls: bool,
    pub(super) login: Login,
    pub(crate) options: Options,
}

/// One server, or who knows where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Servers {
    Single(Endpoint),
    /// Nodes to ask first.
    Cluster(Vec<Endpoint>),
    Sentinel {
        sentinels: Vec<Endpoint>,
        service: String,
    },
}

/// One listening server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Endpoint {
    /// Without the brackets of IPv6.
    pub(super) host: String,
    pub(super) port: u16,
}

/// What is sent before all else.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Login {
    user: Option<String>,
    password: Option<String>,
    pub(super) database: u32,
}

/// What the query of a URL sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) prefix: Option<String>,
    pub(crate) replicas: Option<u32>,
    pub(crate) timeout: Option<Duration>,
}

impl Address {
    /// Reads a URL. No error repeats any of it: an unencoded character of the password may make
    /// another part of what follows it.
    pub(crate) fn parse(url: &str) -> Result<Self, StorageError> {
        Self::read(url)
            .map_err(|why| refused_setting(format!("the URL of Redis cannot be used: {why}")))
    }

    fn read(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or(SCHEMES)?;
        let (kind, is_tls) = scheme_of(scheme)?;
        if rest.contains('#') {
            return Err("it has a `#`; a password's is written %23");
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Login::read(login)?, hosts),
            None => (Login::default(), authority),
        };
        let (servers, database) = kind.read(hosts, path)?;
        Ok(Self {
            servers,
            is_tls,
            login: Login { database, ..login },
            options: Options::read(query)?,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.servers {
            Servers::Single(endpoint) => write!(f, "{endpoint}"),
            Servers::Cluster(nodes) => list(f, nodes),
            Servers::Sentinel { sentinels, service } => {
                list(f, sentinels)?;
                write!(f, "/{service}")
            }
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Endpoint {
    fn read(text: &str, default_port: u16) -> Result<Self, &'static str> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or("a `[` has no `]`")?;
                host.parse::<Ipv6Addr>()
                    .map_err(|_| "what is in brackets is no IPv6 address")?;
                (host, port)
            }
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
        if host.is_empty() || !host.chars().all(is_name) {
            return Err(
                "a host is missing or no host's name; characters of a password that mean something in a URL are percent-encoded",
            );
        }
        Ok(Self {
            host: host.to_owned(),
            port: match port {
                "" => default_port,
                port => port_of(port)?,
            },
        })
    }
}

impl Login {
    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(super) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Sentinels have no databases.
    pub(super) fn without_database(&self) -> Self {
        Self {
            database: 0,
            ..self.clone()
        }
    }

    fn read(text: &str) -> Result<Self, &'static str> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let user = decoded(user)?;
        Ok(Self {
            user: (!user.is_empty()).then_some(user),
            password: Some(decoded(password)?),
            database: 0,
        })
    }
}

impl Options {
    fn read(query: &str) -> Result<Self, &'static str> {
        let mut options = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let is_new = match name {
                "prefix" => options.prefix.replace(decoded(value)?).is_none(),
                "replicas" => {
                    let replicas = value.parse().map_err(|_| "`replicas` is a number")?;
                    options.replicas.replace(replicas).is_none()
                }
                "timeout" => {
                    let timeout = value
                        .parse()
                        .map_err(|_| "`timeout` is a number of milliseconds")?;
                    let timeout = Duration::from_millis(timeout);
                    options.timeout.replace(timeout).is_none()
                }
                _ => return Err("its query may have `prefix`, `replicas` and `timeout` only"),
            };
            if !is_new {
                return Err("its query has a setting twice");
            }
        }
        Ok(options)
    }
}

const SCHEMES: &str = "it begins with redis://, rediss://, redis+cluster://, rediss+cluster://, redis+sentinel:// or rediss+sentinel://";

enum Kind {
    Single,
    Cluster,
    Sentinel,
}

fn scheme_of(scheme: &str) -> Result<(Kind, bool), &'static str> {
    let (name, kind) = match scheme.split_once('+') {
        None => (scheme, Kind::Single),
        Some((name, "cluster")) => (name, Kind::Cluster),
        Some((name, "sentinel")) => (name, Kind::Sentinel),
        Some(_) => return Err(SCHEMES),
    };
    match name {
        "redis" | "valkey" => Ok((kind, false)),
        "rediss" | "valkeys" => Ok((kind, true)),
        _ => Err(SCHEMES),
    }
}

impl Kind {
    /// The servers, and the number of the database.
    fn read(&self, hosts: &str, path: &str) -> Result<(Servers, u32), &'static str> {
        match self {
            Self::Single => Ok((
                Servers::Single(Endpoint::read(hosts, PORT)?),
                database(path)?,
            )),
            Self::Cluster => match database(path)? {
                0 => Ok((Servers::Cluster(endpoints(hosts, PORT)?), 0)),
                _ => Err("a cluster has no databases but 0"),
            },
            Self::Sentinel => {
                let (service, path) = path.split_once('/').unwrap_or((path, ""));
                let service = decoded(service)?;
                if service.is_empty() || service.chars().any(char::is_control) {
                    return Err("after Sentinel's hosts comes `/` and the name of the service");
                }
                let sentinels = endpoints(hosts, SENTINEL_PORT)?;
                Ok((Servers::Sentinel { sentinels, service }, database(path)?))
            }
        }
    }
}

fn endpoints(hosts: &str, port: u16) -> Result<Vec<Endpoint>, &'static str> {
    hosts
        .split(',')
        .map(|host| Endpoint::read(host, port))
        .collect()
}

fn database(path: &str) -> Result<u32, &'static str> {
    match path {
        "" => Ok(0),
        path => path.parse().map_err(
            |_| "its path is not the number of a database; a `/` in a password is written %2F",
        ),
    }
}

fn port_of(text: &str) -> Result<u16, &'static str> {
    let no_port = "a port is no number from 1 to 65535; characters of a password that mean something in a URL are percent-encoded";
    match text.strip_prefix(':').map(str::parse) {
        Some(Ok(port)) if port != 0 => Ok(port),
        _ => Err(no_port),
    }
}

fn decoded(text: &str) -> Result<String, &'static str> {
    let decoded = percent_decode_str(text).decode_utf8();
    Ok(decoded
        .map_err(|_| "a percent-encoded part is not UTF-8")?
        .into_owned())
}

fn list(f: &mut fmt::Formatter<'_>, endpoints: &[Endpoint]) -> fmt::Result {
    for (index, endpoint) in endpoints.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(f, "{comma}{endpoint}")?;
    }
    Ok(())
}
