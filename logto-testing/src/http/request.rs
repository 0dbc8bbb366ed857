//! Reading requests from a connection.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::Params;

const MAX_HEADERS: usize = 100;
const MAX_HEAD: usize = 64 * 1024;
const MAX_BODY: usize = 1024 * 1024;
/// How long a client may take to send the rest of a request that it has begun.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Params,
    /// None if there is a body that is neither a form nor JSON.
    pub(crate) form: Option<Params>,
    pub(crate) headers: Vec<(String, String)>,
    /// 0 if it came over none.
    pub(crate) connection: u64,
    /// Whether the client wants to go on with the connection.
    pub(super) keep_alive: bool,
}

impl Request {
    /// A request that came over no connection.
    pub(crate) fn local(
        method: &str,
        target: &str,
        form: &[u8],
        headers: Vec<(String, String)>,
    ) -> Self {
        let (path, query) = split(target);
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query,
            form: Some(Params::form(form)),
            headers,
            connection: 0,
            keep_alive: false,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.header("cookie")?
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }
}

/// Why a connection has no further request.
#[derive(Debug)]
pub(super) enum End {
    /// Closed by the client, or idle for too long, or broken.
    Closed,
    /// What came can't be read; to be answered with this status.
    Refused(u16),
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

/// Reads one request after the other from a connection.
pub(super) struct Reader<'a> {
    stream: &'a TcpStream,
    /// What was read and not yet used.
    buffer: Vec<u8>,
    connection: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(stream: &'a TcpStream, connection: u64) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            connection,
        }
    }

    /// The next request, if it begins within the time.
    pub(super) fn next(&mut self, idle: Duration) -> Result<Request, End> {
        self.stream
            .set_read_timeout(Some(idle.max(Duration::from_millis(1))))?;
        if self.buffer.is_empty() {
            self.fill()?;
        }
        self.stream.set_read_timeout(Some(PATIENCE))?;
        let head = self.head()?;
        let body = self.body(&head.headers)?;
        Ok(head.into_request(&body, self.connection))
    }

    fn head(&mut self) -> Result<Head, End> {
        loop {
            if let Some((head, length)) = Head::parse(&self.buffer)? {
                self.buffer.drain(..length);
                return Ok(head);
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(End::Refused(431));
            }
            self.fill()?;
        }
    }

    fn body(&mut self, headers: &[(String, String)]) -> Result<Vec<u8>, End> {
        if header(headers, "transfer-encoding").is_some() {
            return Err(End::Refused(411));
        }
        let length = match header(headers, "content-length") {
            Some(length) => length.parse().map_err(|_| End::Refused(400))?,
            None => 0,
        };
        if length > MAX_BODY {
            return Err(End::Refused(413));
        }
        if header(headers, "expect").is_some() {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        while self.buffer.len() < length {
            self.fill()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn fill(&mut self) -> Result<(), End> {
        let mut chunk = [0; 8192];
        let read = self.stream.read(&mut chunk)?;
        if read == 0 {
            return Err(End::Closed);
        }
        self.buffer.extend_from_slice(&chunk[..read]);
        Ok(())
    }
}

struct Head {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    keep_alive: bool,
}

impl Head {
    /// The head and its length, if it is there in whole.
    fn parse(buffer: &[u8]) -> Result<Option<(Self, usize)>, End> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(buffer) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(End::Refused(431)),
            Err(_) => return Err(End::Refused(400)),
        };
        let headers: Vec<_> = request
            .headers
            .iter()
            .map(|header| (header.name.to_owned(), text(header.value)))
            .collect();
        let closes = header(&headers, "connection")
            .is_some_and(|value| value.to_ascii_lowercase().contains("close"));
        let head = Self {
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            keep_alive: request.version == Some(1) && !closes,
            headers,
        };
        Ok(Some((head, length)))
    }

    fn into_request(self, body: &[u8], connection: u64) -> Request {
        let (path, query) = split(&self.target);
        Request {
            path: path.to_owned(),
            query,
            form: form(header(&self.headers, "content-type"), body),
            method: self.method,
            headers: self.headers,
            connection,
            keep_alive: self.keep_alive,
        }
    }
}

fn form(content_type: Option<&str>, body: &[u8]) -> Option<Params> {
    let essence = content_type
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match essence.as_str() {
        "application/x-www-form-urlencoded" => Some(Params::form(body)),
        "application/json" => Some(Params::json(body)),
        _ => body.is_empty().then(Params::default),
    }
}

fn split(target: &str) -> (&str, Params) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    (path, Params::form(query.as_bytes()))
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
