//! Answers, and how they are sent.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::date::http_date;

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// An answer, and how it is to be sent.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) response: Response,
    pub(crate) delivery: Delivery,
}

/// How an answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    After(Duration),
    /// One byte at a time.
    Drip(Duration),
    /// Only the first half, then the connection is closed.
    Half,
    /// The connection is closed instead.
    Nothing,
    /// The connection stays open, without an answer.
    Never,
    /// A body that does not end.
    Endless,
}

impl Reply {
    pub(crate) fn new(response: Response, delivery: Delivery) -> Self {
        Self { response, delivery }
    }
}

impl Response {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", content_type.to_owned())],
            body: body.into(),
        }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn json(status: u16, value: &Value) -> Self {
        Self::new(status, "application/json; charset=utf-8", value.to_string())
    }

    pub(crate) fn html(page: impl Into<Vec<u8>>) -> Self {
        Self::new(200, "text/html; charset=utf-8", page)
    }

    pub(crate) fn redirect(location: impl Into<String>) -> Self {
        Self::empty(303).header("Location", location.into())
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn header_value(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The status line and the headers, with the empty line after them.
    pub(super) fn head(&self, now: SystemTime, keep_alive: Option<Duration>) -> Vec<u8> {
        let mut head = self.opening(now);
        if self.may_have_body() {
            line(&mut head, "Content-Length", &self.body.len().to_string());
        }
        match keep_alive {
            Some(time) => {
                line(&mut head, "Connection", "keep-alive");
                line(
                    &mut head,
                    "Keep-Alive",
                    &format!("timeout={}", time.as_secs()),
                );
            }
            None => line(&mut head, "Connection", "close"),
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    /// The same for a body in chunks.
    pub(super) fn chunked_head(&self, now: SystemTime) -> Vec<u8> {
        let mut head = self.opening(now);
        line(&mut head, "Content-Type", "application/json; charset=utf-8");
        line(&mut head, "Transfer-Encoding", "chunked");
        line(&mut head, "Connection", "close");
        head.extend_from_slice(b"\r\n");
        head
    }

    pub(super) fn may_have_body(&self) -> bool {
        !matches!(self.status, 100..200 | 204 | 304)
    }

    fn opening(&self, now: SystemTime) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status)).into_bytes();
        for (name, value) in &self.headers {
            line(&mut head, name, value);
        }
        line(&mut head, "Date", &http_date(now));
        head
    }
}

fn line(head: &mut Vec<u8>, name: &str, value: &str) {
    // A line break in a value would begin another header.
    let value = value.replace(|c: char| c.is_control(), " ");
    head.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        411 => "Length Required",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Answer",
    }
}
