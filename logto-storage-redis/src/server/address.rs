//! Where the servers are, from a URL.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::time::Duration;

use logto_core::StorageError;
use percent_encoding::percent_decode_str;

use crate::error::refused_setting;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Where the servers are, how to log in, and the settings that the URL carries. `Display` shows
/// hosts only.
#[derive(Clone)]
pub(crate) struct Address {
    pub(super) kind: Kind,
    /// Of a cluster and of Sentinels those to ask first.
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) is_tls: bool,
    pub(super) login: Login,
    pub(crate) options: Options,
}

/// What is at the endpoints.
#[derive(Clone)]
pub(super) enum Kind {
    Single,
    Cluster,
    /// With the name of the service.
    Sentinel(String),
}

/// One listening server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Endpoint {
    /// Without the brackets of IPv6.
    pub(super) host: String,
    pub(super) port: u16,
}

/// What is sent before all else.
#[derive(Clone, Default)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: u32,
}

/// What the query of a URL sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) prefix: Option<String>,
    pub(crate) replicas: Option<u32>,
    pub(crate) timeout: Option<Duration>,
}

const SCHEMES: &str = "it begins with redis://, rediss://, redis+cluster://, rediss+cluster://, redis+sentinel:// or rediss+sentinel://";

impl Address {
    /// Reads a URL. No error repeats any of it: an unencoded character of the password may make
    /// another part of what follows it.
    pub(crate) fn parse(url: &str) -> Result<Self, StorageError> {
        Self::read(url)
            .map_err(|why| refused_setting(format!("the URL of Redis cannot be used: {why}")))
    }

    fn read(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or(SCHEMES)?;
        if rest.contains('#') {
            return Err("it has a `#`; a password's is written %23");
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Login::read(login)?, hosts),
            None => (Login::default(), authority),
        };
        let (scheme, kind) = scheme
            .split_once('+')
            .map_or((scheme, None), |(scheme, kind)| (scheme, Some(kind)));
        let (kind, port, path) = Kind::read(kind, path)?;
        let endpoints = hosts.split(',').map(|host| Endpoint::read(host, port));
        let address = Self {
            endpoints: endpoints.collect::<Result<_, _>>()?,
            kind,
            is_tls: match scheme {
                "redis" | "valkey" => false,
                "rediss" | "valkeys" => true,
                _ => return Err(SCHEMES),
            },
            login: Login {
                database: database(path)?,
                ..login
            },
            options: Options::read(query)?,
        };
        match address.kind {
            Kind::Single if address.endpoints.len() > 1 => {
                Err("it has several hosts, but says neither `+cluster` nor `+sentinel`")
            }
            Kind::Cluster if address.login.database != 0 => Err("a cluster has no databases but 0"),
            _ => Ok(address),
        }
    }
}

impl Kind {
    /// What stands after the `+` of a scheme, with the usual port, and the path after a service's name.
    fn read<'a>(text: Option<&str>, path: &'a str) -> Result<(Self, u16, &'a str), &'static str> {
        match text {
            None => Ok((Self::Single, PORT, path)),
            Some("cluster") => Ok((Self::Cluster, PORT, path)),
            Some("sentinel") => {
                let (service, path) = path.split_once('/').unwrap_or((path, ""));
                Ok((Self::Sentinel(service_of(service)?), SENTINEL_PORT, path))
            }
            Some(_) => Err(SCHEMES),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints: Vec<_> = self.endpoints.iter().map(Endpoint::to_string).collect();
        f.write_str(&endpoints.join(","))?;
        match &self.kind {
            Kind::Sentinel(service) => write!(f, "/{service}"),
            _ => Ok(()),
        }
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
            let (name, value) = pair
                .split_once('=')
                .ok_or("a setting of its query has no value")?;
            let is_new = match name {
                "prefix" => options.prefix.replace(decoded(value)?).is_none(),
                "replicas" => {
                    let replicas = number(value).ok_or("`replicas` is a number")?;
                    options.replicas.replace(replicas).is_none()
                }
                "timeout" => {
                    let millis = number(value).filter(|millis| *millis > 0);
                    let millis =
                        millis.ok_or("`timeout` is a number of milliseconds, and not 0")?;
                    let timeout = Duration::from_millis(millis);
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

fn service_of(text: &str) -> Result<String, &'static str> {
    let service = decoded(text)?;
    match service.is_empty() || service.chars().any(char::is_control) {
        true => Err("after Sentinel's hosts comes `/` and the name of the service"),
        false => Ok(service),
    }
}

fn database(path: &str) -> Result<u32, &'static str> {
    match path {
        "" => Ok(0),
        path => number(path)
            .ok_or("its path is not the number of a database; a `/` in a password is written %2F"),
    }
}

fn port_of(text: &str) -> Result<u16, &'static str> {
    let no_port = "a port is no number from 1 to 65535; characters of a password that mean something in a URL are percent-encoded";
    let port = text.strip_prefix(':').and_then(number);
    port.filter(|port| *port > 0).ok_or(no_port)
}

/// Of digits alone.
fn number<T: FromStr>(text: &str) -> Option<T> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

fn decoded(text: &str) -> Result<String, &'static str> {
    let decoded = percent_decode_str(text).decode_utf8();
    Ok(decoded
        .map_err(|_| "a percent-encoded part is not UTF-8")?
        .into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_form_of_url_is_read() {
        let cases = [
            ("redis://localhost", "localhost:6379", None, 0, false),
            ("valkey://localhost/3", "localhost:6379", None, 3, false),
            (
                "rediss://:pw@[::1]:1",
                "[::1]:1",
                Some((None, "pw")),
                0,
                true,
            ),
            (
                "valkeys://u:p@h/",
                "h:6379",
                Some((Some("u"), "p")),
                0,
                true,
            ),
            (
                "redis://u%40:p%2F%3a%23@h",
                "h:6379",
                Some((Some("u@"), "p/:#")),
                0,
                false,
            ),
            (
                "redis://u:p@q@h",
                "h:6379",
                Some((Some("u"), "p@q")),
                0,
                false,
            ),
            (
                "redis://u:p:q+@h",
                "h:6379",
                Some((Some("u"), "p:q+")),
                0,
                false,
            ),
            ("redis://u@h", "h:6379", Some((Some("u"), "")), 0, false),
            (
                "redis+cluster://a,b:7,[::2]",
                "a:6379,b:7,[::2]:6379",
                None,
                0,
                false,
            ),
            (
                "valkeys+cluster://:x@a/0",
                "a:6379",
                Some((None, "x")),
                0,
                true,
            ),
            (
                "redis+sentinel://a,b:1/my%20s",
                "a:26379,b:1/my s",
                None,
                0,
                false,
            ),
            ("rediss+sentinel://a/s/2", "a:26379/s", None, 2, true),
        ];
        for (url, shown, login, database, is_tls) in cases {
            let address = Address::parse(url).unwrap();
            assert_eq!(address.to_string(), shown, "{url}");
            let (user, password) = (
                address.login.user.as_deref(),
                address.login.password.as_deref(),
            );
            assert_eq!(password.map(|password| (user, password)), login, "{url}");
            assert_eq!(
                (address.login.database, address.is_tls),
                (database, is_tls),
                "{url}"
            );
        }
    }

    #[test]
    fn a_query_sets_what_it_names() {
        let url = "redis://h?prefix=my%3Aapp&replicas=2&timeout=250";
        let options = Options {
            prefix: Some("my:app".into()),
            replicas: Some(2),
            timeout: Some(Duration::from_millis(250)),
        };
        assert_eq!(Address::parse(url).unwrap().options, options);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let urls = [
            "",
            "localhost:6379",
            "http://localhost",
            "redis+://localhost",
            "redis+other://localhost",
            "redis+cluster+tls://localhost",
            "REDIS://localhost",
            "redis://",
            "redis://:pw@",
            "redis://h:0",
            "redis://h:65536",
            "redis://h:+1",
            "redis://h:",
            "redis://h:1:2",
            "redis://a,b",
            "redis://h h",
            "redis://[::1",
            "redis://[h]",
            "redis://[::1]x",
            "redis://::1",
            "redis://h/db",
            "redis://h/-1",
            "redis://h/+1",
            "redis://h/1/2",
            "redis://h#0",
            "redis://%ff@h",
            "redis+cluster://a,",
            "redis+cluster://a/1",
            "redis+sentinel://a",
            "redis+sentinel://a/",
            "redis+sentinel://a/%0A",
            "redis+sentinel://a/s/x",
            "redis://h?unknown=1",
            "redis://h?prefix",
            "redis://h?timeout=1s",
            "redis://h?timeout=-1",
            "redis://h?timeout=0",
            "redis://h?replicas=many",
            "redis://h?replicas=1&replicas=2",
        ];
        for url in urls {
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*", scheme in "redis(s|)(\\+cluster|\\+sentinel|)") {
            let _ = Address::parse(&text);
            let _ = Address::parse(&format!("{scheme}://{text}"));
            let _ = Address::parse(&format!("{scheme}://h/{text}?{text}"));
        }

        #[test]
        fn an_encoded_password_is_read_and_never_shown(password in "\\PC{1,40}") {
            let marked = format!("5ecret{password}");
            let encoded: String = marked.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let address = Address::parse(&format!("redis://:{encoded}@localhost")).unwrap();
            prop_assert_eq!(address.login.password.as_deref(), Some(marked.as_str()));
            let shown = address.to_string();
            prop_assert!(!shown.contains("5ecret"));
        }

        #[test]
        fn no_refusal_repeats_the_url(text in "[:@/?#,%a-z\\[\\]=&]*") {
            if let Err(error) = Address::parse(&format!("redis://{text}5ECRET{text}")) {
                let shown = format!("{error} {error:?}");
                prop_assert!(!shown.contains("5ECRET"), "{shown}");
            }
        }
    }
}
