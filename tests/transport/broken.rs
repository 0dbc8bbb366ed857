//! Answers that are not HTTP.

use std::time::Duration;

use logto::{HttpError, LogtoError};

use crate::place::{Place, patient};
use crate::raw::{RawServer, json, json_with_length};

/// Answers that break off, or that cannot be read as HTTP.
fn broken_answers() -> Vec<(&'static str, Vec<u8>)> {
    let header = |text: &str| json_with_length(text, "{}");
    vec![
        ("nothing", Vec::new()),
        ("a greeting", b"HELLO\r\n\r\n".to_vec()),
        ("TLS", vec![0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46]),
        ("another version", b"HTTP/9.9 200 OK\r\n\r\n".to_vec()),
        ("no status", b"HTTP/1.1 OK\r\n\r\n".to_vec()),
        ("a long status", b"HTTP/1.1 99999 OK\r\n\r\n".to_vec()),
        ("a status line only", b"HTTP/1.1 200 OK\r\n".to_vec()),
        ("half a header", b"HTTP/1.1 200 OK\r\nContent-".to_vec()),
        ("a header without a colon", header("nonsense\r\n")),
        ("a NUL in a header", header("X: a\0b\r\n")),
        ("thousands of headers", header(&"X: y\r\n".repeat(10_000))),
        (
            "a huge header",
            header(&format!("X: {}\r\n", "y".repeat(1024 * 1024))),
        ),
        ("a header that does not end", vec![b'x'; 1024 * 1024]),
        (
            "a length that is none",
            json("Content-Length: many\r\n", "{}"),
        ),
        ("a negative length", json("Content-Length: -1\r\n", "{}")),
        ("half a body", json("Content-Length: 100\r\n", "{")),
        (
            "a chunk size that is none",
            json("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"),
        ),
        (
            "a chunk size that overflows",
            json(
                "Transfer-Encoding: chunked\r\n",
                "fffffffffffffffffffff\r\n{}\r\n",
            ),
        ),
        (
            "half a chunk",
            json("Transfer-Encoding: chunked\r\n", "ff\r\n{}"),
        ),
    ]
}

#[test]
fn what_is_not_http_is_an_error_everywhere() {
    for place in Place::ALL {
        for (what, answer) in broken_answers() {
            let server = RawServer::with(answer);
            let error = place.ask(patient(), &server.url());
            let LogtoError::Http(http) = &error else {
                panic!("{place:?}, {what}: {error:?}");
            };
            assert!(http.may_have_been_sent(), "{place:?}, {what}: {error:?}");
            let is_lost = matches!(**http, HttpError::Interrupted { .. });
            let tries = if is_lost { place.tries() } else { 1 };
            server.has_read(tries, &format!("{place:?}, {what}, {error:?}"));
        }
    }
}

#[test]
fn a_connection_that_breaks_in_the_answer_is_told_apart() {
    for place in Place::ALL {
        for answer in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Le",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{",
        ] {
            let error = place.ask(patient(), &RawServer::with(answer).url());
            let is_lost = matches!(&error, LogtoError::Http(error)
                if matches!(**error, HttpError::Interrupted { .. }));
            assert!(is_lost && error.is_retryable(), "{place:?}: {error:?}");
        }
    }
}

#[test]
fn nobody_waits_for_longer_than_a_day() {
    for place in Place::ALL {
        let server = RawServer::with(
            "HTTP/1.1 503 No\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n",
        );
        let error = place.ask(patient(), &server.url());
        let day = Duration::from_secs(24 * 60 * 60);
        assert_eq!(error.retry_after(), Some(day), "{place:?}: {error:?}");
        assert!(error.is_retryable());
        server.has_read(1, &format!("{place:?}"));
    }
}
