//! Bodies of another length or encoding than they should have.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use logto::{HttpError, Logto, LogtoConfig, LogtoError, ResponseError};
use logto_testing::FakeLogto;

use crate::place::{Place, patient};
use crate::raw::{RawServer, json, json_with_length};

const MIB: usize = 1024 * 1024;

/// What a server sends at most that sends without end.
const ENDLESS: usize = 256 * MIB;

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn is_too_large(place: Place, server: &RawServer, what: &str) {
    let error = place.ask(patient(), &server.url());
    let is_too_large = matches!(&error, LogtoError::Http(error)
        if matches!(**error, HttpError::BodyTooLarge { limit, .. } if limit == place.limit()));
    assert!(
        is_too_large && !error.is_retryable(),
        "{place:?}, {what}: {error:?}"
    );
    server.has_read(1, &format!("{place:?}, {what}"));
}

#[test]
fn a_body_is_read_up_to_its_limit() {
    for place in Place::ALL {
        let body = vec![b' '; place.limit() as usize + 1];
        let with_length = RawServer::with(json_with_length("", &body));
        is_too_large(place, &with_length, "with its length");
        is_too_large(place, &RawServer::with(json("", &body)), "until the end");
        let chunk = format!("{:x}\r\n", body.len());
        let chunked = [chunk.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
        let chunked = RawServer::with(json("Transfer-Encoding: chunked\r\n", chunked));
        is_too_large(place, &chunked, "in chunks");
    }
}

#[test]
fn a_body_of_the_limit_is_read() {
    for place in [Place::Discovery, Place::Code, Place::UserInfo] {
        let body = vec![b' '; place.limit() as usize];
        let server = RawServer::with(json_with_length("", body));
        is_not_json(place, &server, "as long as allowed");
    }
}

/// Sends the same chunk without end, and counts what it could send.
fn endless(head: &str, chunk: Vec<u8>) -> (RawServer, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let head = json(head, "");
    let server = RawServer::start({
        let sent = Arc::clone(&sent);
        move |stream: &mut TcpStream| {
            let mut written = stream.write_all(&head);
            while written.is_ok() && sent.fetch_add(chunk.len(), Ordering::SeqCst) < ENDLESS {
                written = stream.write_all(&chunk);
            }
        }
    });
    (server, sent)
}

#[test]
fn a_body_without_an_end_is_not_read_to_it() {
    let block = vec![b' '; 64 * 1024];
    let chunk = [b"10000\r\n", &*block, b"\r\n"].concat();
    for place in Place::ALL {
        for (head, part) in [
            ("", &block),
            ("Content-Length: 18446744073709551615\r\n", &block),
            ("Content-Length: 9000000000\r\n", &block),
            ("Transfer-Encoding: chunked\r\n", &chunk),
        ] {
            let (server, sent) = endless(head, part.clone());
            is_too_large(place, &server, head);
            // The limit, and what the operating system keeps for a connection.
            let sent = sent.load(Ordering::SeqCst);
            assert!(sent < 64 * MIB, "{place:?}, {head}: {sent}");
        }
    }
}

#[test]
fn a_bomb_does_not_go_off() {
    // Gzip files one after the other are one gzip file: 2 GiB in 2 MiB.
    let bomb = gzip(&vec![0; 4 * MIB]).repeat(512);
    assert!(bomb.len() < 3 * MIB);
    for place in Place::ALL {
        let server = RawServer::with(json_with_length("Content-Encoding: gzip\r\n", &bomb));
        is_too_large(place, &server, "a bomb");
    }
    #[cfg(target_os = "linux")]
    assert!(most_memory() < 1024 * MIB, "{}", most_memory());
}

/// The most memory that this process has had, in bytes.
#[cfg(target_os = "linux")]
fn most_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: usize = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib * 1024
}

fn is_not_json(place: Place, server: &RawServer, what: &str) {
    let error = place.ask(patient(), &server.url());
    let is_json_error = matches!(&error, LogtoError::Response(error)
        if matches!(**error, ResponseError::Json { .. }));
    assert!(is_json_error, "{place:?}, {what}: {error:?}");
    server.has_read(1, &format!("{place:?}, {what}"));
}

/// A revocation is over with its status: its body is read, and is of no interest.
const READERS: [Place; 5] = [
    Place::Discovery,
    Place::Keys,
    Place::Code,
    Place::Refresh,
    Place::UserInfo,
];

#[test]
fn an_encoding_that_nobody_asked_for_is_no_json() {
    let json = br#"{"access_token":"t"}"#;
    let twice = gzip(&gzip(json));
    for place in READERS {
        for (encoding, body) in [
            ("gzip", &twice),
            ("gzip, gzip", &twice),
            ("deflate", &vec![0x78, 0x9c, 0xab, 0xae, 0x05, 0x00]),
            ("br", &vec![0x0b, 0x00, 0x80, 0x7b, 0x7d]),
            ("unheard-of", &vec![0xff; 100]),
        ] {
            let header = format!("Content-Encoding: {encoding}\r\n");
            let server = RawServer::with(json_with_length(&header, body));
            is_not_json(place, &server, encoding);
        }
    }
}

#[test]
fn a_gzip_file_that_is_broken_is_no_answer() {
    let whole = gzip(br#"{"access_token":"t"}"#);
    for place in Place::ALL {
        for broken in [&whole[..whole.len() / 2], b"no gzip at all", b"\x1f\x8b"] {
            let server = RawServer::with(json_with_length("Content-Encoding: gzip\r\n", broken));
            let error = place.ask(patient(), &server.url());
            assert!(
                matches!(error, LogtoError::Http(_)),
                "{place:?}, {broken:?}: {error:?}"
            );
        }
    }
}

#[test]
fn an_answer_in_gzip_is_read() {
    let fake = FakeLogto::start();
    let config = LogtoConfig::new(fake.endpoint(), "app");
    let good = Logto::new(config).unwrap().oidc_core().unwrap();
    let body = gzip(&serde_json::to_vec(good.metadata()).unwrap());
    let server = RawServer::with(json_with_length("Content-Encoding: gzip\r\n", body));
    let config = LogtoConfig::new(server.url(), "app").issuer(fake.issuer());
    let logto = Logto::new(config).unwrap();
    assert_eq!(logto.oidc_core().unwrap().metadata(), good.metadata());
}

#[test]
fn what_follows_a_body_is_not_the_next_answer() {
    for place in READERS {
        let trailing = json("Content-Length: 1\r\n", r#"{"access_token":"t"}"#);
        let server = RawServer::with(trailing);
        is_not_json(place, &server, "a length that is too short");
    }
}

#[test]
fn an_answer_of_another_type_is_refused() {
    for place in READERS {
        for kind in [
            "",
            "Content-Type: text/html\r\n",
            "Content-Type: text/plain; charset=application/json\r\n",
            "Content-Type: application/jwt\r\n",
            "Content-Type: application/json-seq\r\n",
            "Content-Type: \u{e4}\r\n",
        ] {
            let answer = format!("HTTP/1.1 200 OK\r\n{kind}Content-Length: 2\r\n\r\n{{}}");
            let server = RawServer::with(answer);
            let error = place.ask(patient(), &server.url());
            let is_type_error = matches!(&error, LogtoError::Response(error)
                if matches!(**error, ResponseError::ContentType { .. }));
            assert!(is_type_error, "{place:?}, {kind}: {error:?}");
            server.has_read(1, &format!("{place:?}, {kind}"));
        }
    }
}
