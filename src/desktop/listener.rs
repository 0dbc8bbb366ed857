//! Where the browser comes back to: a port of this machine, for as long as it is waited for
//! ([RFC 8252, section 7.3](https://www.rfc-editor.org/rfc/rfc8252#section-7.3)).
//!
//! All connections are served by the thread that waits, none of them blocks it, and all are closed
//! when it goes on.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use logto_core::Secret;
use url::Url;

use super::connection::Connection;
use super::error::DesktopError;
use super::options::BrowserOptions;
use super::page;
use super::request::{Expected, Reading};

/// How often it is looked whether something has come.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// More connections are not accepted until one of these is done, or has had its time: whoever holds
/// many open keeps nobody out.
const MOST_CONNECTIONS: usize = 64;

/// How long a connection is kept at least. A browser's request is there far sooner.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// Where to listen.
#[derive(Debug, Clone)]
pub(super) struct ListenAddr {
    pub ports: Vec<u16>,
    pub is_ipv6: bool,
    pub path: String,
}

pub(super) struct Listener {
    listener: TcpListener,
    uri: String,
    expected: Expected,
    /// `None`: without an end.
    until: Option<Instant>,
    connections: VecDeque<Connection>,
}

/// The browser has come back, and waits for its response.
pub(super) struct Arrival {
    connection: Connection,
    /// Where the browser came back to, with its query.
    pub url: String,
}

impl Arrival {
    /// Responds, and waits shortly for the response to be read.
    pub fn respond(self, response: Vec<u8>) {
        self.connection.finish(response);
    }
}

impl Listener {
    /// Takes the first port that can be had.
    pub fn bind(addr: &ListenAddr) -> Result<Self, DesktopError> {
        check_path(&addr.path)?;
        let (ip, host): (IpAddr, _) = match addr.is_ipv6 {
            true => (Ipv6Addr::LOCALHOST.into(), "[::1]"),
            false => (Ipv4Addr::LOCALHOST.into(), "127.0.0.1"),
        };
        let mut failure = io::Error::from(io::ErrorKind::InvalidInput);
        for port in &addr.ports {
            match bind((ip, *port).into()) {
                Ok((listener, port)) => {
                    let host = format!("{host}:{port}");
                    return Ok(Self::new(listener, host, addr.path.clone()));
                }
                Err(error) => failure = error,
            }
        }
        Err(DesktopError::NoPort {
            host,
            ports: addr.ports.clone(),
            source: failure,
        })
    }

    fn new(listener: TcpListener, host: String, path: String) -> Self {
        Self {
            listener,
            uri: format!("http://{host}{path}"),
            expected: Expected {
                host,
                path,
                state: Secret::new(""),
            },
            until: None,
            connections: VecDeque::new(),
        }
    }

    /// The URI that the browser is to come back to.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Sets the state that the browser must come back with, and within what time from now.
    pub fn expect(&mut self, state: Secret, timeout: Duration) {
        self.expected.state = state;
        self.until = Instant::now().checked_add(timeout);
    }

    /// Waits for the browser to come back. Between two looks at the connections it calls `look`, whose error ends
    /// the wait.
    pub fn wait(
        &mut self,
        options: &BrowserOptions,
        mut look: impl FnMut() -> Result<(), DesktopError>,
    ) -> Result<Arrival, DesktopError> {
        let after = options.timeout;
        loop {
            if options.cancel.is_cancelled() {
                return Err(DesktopError::Cancelled);
            }
            if self.until.is_some_and(|until| Instant::now() >= until) {
                return Err(DesktopError::TimedOut { after });
            }
            // Before others are let in: what has come is read before its connection may have to go.
            if let Some(arrival) = self.advance() {
                return Ok(arrival);
            }
            self.accept();
            look()?;
            options.cancel.wait(LOOK_EVERY);
        }
    }

    fn accept(&mut self) {
        for _ in 0..MOST_CONNECTIONS {
            if !self.has_room() {
                return;
            }
            let connection = match self.listener.accept() {
                Ok((stream, _)) => Connection::new(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => Err(error),
            };
            match connection {
                Ok(connection) => self.connections.push_back(connection),
                // It is gone already, or there are too many files open: later there may be room.
                Err(error) => return log::debug!("a connection was lost: {error}"),
            }
            if self.connections.len() > MOST_CONNECTIONS {
                self.connections.pop_front();
            }
        }
    }

    /// Whether one more can be let in, for which the oldest goes if it has had its time.
    fn has_room(&self) -> bool {
        if self.connections.len() < MOST_CONNECTIONS {
            return true;
        }
        let oldest = self.connections.front();
        oldest.is_none_or(|oldest| oldest.age() >= KEPT_FOR)
    }

    fn advance(&mut self) -> Option<Arrival> {
        let mut arrived = None;
        for (index, connection) in self.connections.iter_mut().enumerate() {
            match connection.advance(&self.expected) {
                None | Some(Reading::Incomplete) => {}
                Some(Reading::Refused(status)) => {
                    log::debug!("a request to {} was refused with {status}", self.uri);
                    connection.respond(page::refusal(status));
                }
                Some(Reading::Stranger) => {
                    log::debug!("{} was called with a wrong state", self.uri);
                    connection.respond(page::stranger());
                }
                Some(Reading::Expected(query)) => {
                    arrived = Some((index, query));
                    break;
                }
            }
        }
        let arrival = arrived.and_then(|(index, query)| {
            Some(Arrival {
                connection: self.connections.remove(index)?,
                url: format!("{}?{query}", self.uri),
            })
        });
        self.connections
            .retain(|connection| !connection.is_closed());
        arrival
    }
}

fn bind(address: SocketAddr) -> io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

/// The path goes into a URI, and is compared with what browsers make of that.
fn check_path(path: &str) -> Result<(), DesktopError> {
    let uri = format!("http://127.0.0.1:1{path}");
    let is_plain = path.starts_with('/')
        && Url::parse(&uri).is_ok_and(|url| url.as_str() == uri && url.path() == path);
    match is_plain {
        true => Ok(()),
        false => Err(DesktopError::InvalidPath {
            path: path.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_that_browsers_do_not_rewrite() {
        for good in ["/", "/callback", "/a/b-c_d.html", "/a%20b"] {
            check_path(good).unwrap();
        }
        for bad in [
            "",
            "callback",
            "@evil.example/",
            "0/callback",
            "/a?b",
            "/a#b",
            "/a b",
            "/a/../b",
            "/ä",
            "/a\r\nb",
            "/a\\b",
        ] {
            assert!(check_path(bad).is_err(), "{bad:?}");
        }
    }
}
