//! A server that takes its time is given up. The client's limits are those of the test's own agent.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use logto::{HttpError, LogtoError};

use crate::place::{Place, within};
use crate::raw::{RawServer, json_with_length};

const LIMIT: Duration = Duration::from_millis(400);

/// One byte after the other, until the client has had enough.
fn drip(stream: &mut TcpStream, answer: &[u8]) {
    for byte in answer {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(LIMIT / 4);
    }
}

fn is_given_up(server: &RawServer, place: Place) {
    let error = place.ask(within(LIMIT), &server.url());
    let is_timeout =
        matches!(&error, LogtoError::Http(e) if matches!(**e, HttpError::Timeout { .. }));
    assert!(is_timeout && error.is_retryable(), "{place:?}: {error:?}");
    server.has_read(1, &format!("{place:?}"));
}

#[test]
fn a_server_that_never_answers_is_given_up_everywhere() {
    for place in Place::ALL {
        // Reads until the client closes the connection.
        let server = RawServer::start(|stream| drop(stream.read_to_end(&mut Vec::new())));
        is_given_up(&server, place);
    }
}

#[test]
fn a_server_that_sends_byte_after_byte_is_given_up_everywhere() {
    for place in Place::ALL {
        let answer = json_with_length("", "{}");
        let server = RawServer::start(move |stream| drip(stream, &answer));
        is_given_up(&server, place);
    }
}

#[test]
fn a_body_that_comes_byte_by_byte_is_given_up_everywhere() {
    for place in Place::ALL {
        let server = RawServer::start(|stream| {
            let head = json_with_length("", [b' '; 100]);
            let (head, body) = head.split_at(head.len() - 100);
            if stream.write_all(head).is_ok() {
                drip(stream, body);
            }
        });
        is_given_up(&server, place);
    }
}

#[test]
fn a_handshake_that_is_not_answered_is_given_up() {
    let server = RawServer::start(|_| ());
    let url = server.url().replace("http:", "https:");
    let error = Place::Discovery.ask(within(LIMIT), &url);
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(server.connections(), 1);
}
