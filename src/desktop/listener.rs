//! Where the browser comes back to: a port of this machine, for as long as it is waited for
//! ([RFC 8252, section 7.3](https://www.rfc-editor.org/rfc/rfc8252#section-7.3)).
//!
//! All connections are served by the thread that waits, none of them blocks it, and all are closed
//! when it goes on.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use logto_core::Secret;
use url::Url;

use super::cancel::Cancel;
use super::connection::Connection;
use super::error::DesktopError;
use super::page::{Answer, Pages};
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
pub(super) struct Place {
    pub ports: Vec<u16>,
    pub is_ipv6: bool,
    pub path: String,
}

pub(super) struct Listener {
    listener: TcpListener,
    uri: String,
    host: String,
    path: String,
    connections: VecDeque<Connection>,
}

/// What is waited for, and until when.
pub(super) struct Wait<'a> {
    pub state: &'a Secret,
    pub pages: &'a Pages,
    pub cancel: &'a Cancel,
    /// `None`: without an end.
    pub until: Option<Instant>,
}

/// How a wait ended.
pub(super) enum Waited {
    /// The browser came back. It waits for its answer.
    Arrived(Arrival),
    Cancelled,
    TimedOut,
    /// The one who waits wants to go on.
    Left,
}

pub(super) struct Arrival {
    connection: Connection,
    /// Where the browser came back to, with its query.
    pub url: String,
}

impl Arrival {
    /// Answers, and waits shortly for the answer to be read.
    pub fn answer(self, answer: &Answer) {
        self.connection.finish(answer.to_bytes());
    }
}

impl Place {
    fn address(&self, port: u16) -> SocketAddr {
        match self.is_ipv6 {
            true => (Ipv6Addr::LOCALHOST, port).into(),
            false => (Ipv4Addr::LOCALHOST, port).into(),
        }
    }

    fn host(&self) -> &'static str {
        match self.is_ipv6 {
            true => "[::1]",
            false => "127.0.0.1",
        }
    }
}

impl Listener {
    /// Takes the first port that can be had.
    pub fn bind(place: &Place) -> Result<Self, DesktopError> {
        check_path(&place.path)?;
        let mut failure = io::Error::from(io::ErrorKind::InvalidInput);
        for port in &place.ports {
            match bind(place.address(*port)) {
                Ok((listener, port)) => {
                    let host = format!("{}:{port}", place.host());
                    return Ok(Self {
                        listener,
                        uri: format!("http://{host}{}", place.path),
                        host,
                        path: place.path.clone(),
                        connections: VecDeque::new(),
                    });
                }
                Err(error) => failure = error,
            }
        }
        Err(DesktopError::NoPort {
            host: place.host(),
            ports: place.ports.clone(),
            source: failure,
        })
    }

    /// The URI that the browser is to come back to.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Waits for the browser to come back. `look` is called again and again meanwhile, and ends the
    /// wait when it returns `false`.
    pub fn wait(&mut self, wait: &Wait<'_>, mut look: impl FnMut() -> bool) -> Waited {
        let expected = Expected {
            host: self.host.clone(),
            path: self.path.clone(),
            state: wait.state.clone(),
        };
        loop {
            if wait.cancel.is_cancelled() {
                return Waited::Cancelled;
            }
            if wait.until.is_some_and(|until| Instant::now() >= until) {
                return Waited::TimedOut;
            }
            // Before others are let in: what has come is read before its connection may have to go.
            if let Some(arrival) = self.advance(&expected, wait.pages) {
                return Waited::Arrived(arrival);
            }
            self.accept();
            if !look() {
                return Waited::Left;
            }
            wait.cancel.wait(LOOK_EVERY);
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

    fn advance(&mut self, expected: &Expected, pages: &Pages) -> Option<Arrival> {
        let mut arrived = None;
        for (index, connection) in self.connections.iter_mut().enumerate() {
            match connection.advance(expected) {
                None | Some(Reading::Incomplete) => {}
                Some(Reading::Refused(status)) => {
                    log::debug!("a request to {} was refused with {status}", self.uri);
                    connection.answer(Answer::refusal(status).to_bytes());
                }
                Some(Reading::Stranger) => {
                    log::debug!("{} was called with a wrong state", self.uri);
                    connection.answer(pages.stranger().to_bytes());
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
