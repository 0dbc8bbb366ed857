//! Connections, and requests that are none.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::{Http, builder};
use logto_testing::{Endpoint, FakeLogto};

/// What the server sends before it closes the connection.
fn raw(fake: &FakeLogto, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(fake.endpoint().strip_prefix("http://").unwrap()).unwrap();
    // The server may refuse before it has read all of it.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn connections_are_kept_and_counted() {
    let fake = builder().keep_alive(Duration::from_secs(600)).start();
    let http = Http::new(&fake);
    for _ in 0..3 {
        http.get("/oidc/jwks").ok();
    }
    assert_eq!(fake.connections(), 1);
    Http::new(&fake).get("/oidc/jwks").ok();
    assert_eq!(fake.connections(), 2);
    let of: Vec<_> = fake.requests().iter().map(|one| one.connection).collect();
    assert_eq!(of, [1, 1, 1, 2]);
}

#[test]
fn idle_connections_are_closed() {
    let fake = builder().keep_alive(Duration::from_millis(20)).start();
    let answer = raw(&fake, b"GET /oidc/jwks HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(answer.contains("\r\nConnection: keep-alive\r\n"));
}

#[test]
fn open_connections_can_be_closed() {
    let fake = builder().keep_alive(Duration::from_secs(600)).start();
    let mut stream = TcpStream::connect(fake.endpoint().strip_prefix("http://").unwrap()).unwrap();
    while fake.connections() == 0 {
        std::thread::yield_now();
    }
    // Counted a moment before it is listed as open.
    stream
        .write_all(b"GET /oidc/jwks HTTP/1.1\r\n\r\n")
        .unwrap();
    stream.read_exact(&mut [0; 9]).unwrap();
    fake.close_connections();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
}

#[test]
fn requests_may_come_in_pieces_or_together() {
    let fake = builder().keep_alive(Duration::from_secs(600)).start();
    let mut stream = TcpStream::connect(fake.endpoint().strip_prefix("http://").unwrap()).unwrap();
    stream.set_nodelay(true).unwrap();
    let two = b"GET /oidc/jwks HTTP/1.1\r\n\r\nPOST /oidc/token HTTP/1.1\r\nConnection: close\r\n\
                Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b";
    for byte in two {
        stream.write_all(&[*byte]).unwrap();
    }
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 2);
    let answers = raw(&fake, two);
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 2);
    assert_eq!(
        fake.requests_to(Endpoint::Token)[0].form_value("a"),
        Some("b")
    );
}

#[test]
fn what_is_no_request_is_refused() {
    let fake = builder().start();
    let long = format!("GET / HTTP/1.1\r\nx: {}", "x".repeat(70_000));
    for (request, status) in [
        (&b"\x16\x03\x01 not HTTP\r\n\r\n"[..], "400"),
        (b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", "400"),
        (b"POST / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", "413"),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "411",
        ),
        (long.as_bytes(), "431"),
    ] {
        let answer = raw(&fake, request);
        // With data unread, the operating system may drop the answer.
        assert!(
            answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    Http::new(&fake).get("/oidc/jwks").ok();
}

#[test]
fn head_has_no_body() {
    let fake = builder().start();
    let request = b"HEAD /oidc/jwks HTTP/1.1\r\nConnection: close\r\n\r\n";
    let answer = raw(&fake, request);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(answer.ends_with("\r\n\r\n"));
}

#[test]
fn requests_are_recorded() {
    let fake = builder().start();
    let http = Http::new(&fake);
    common::tokens(&fake, "web", &[]);
    http.get_with("/oidc/jwks?x=%20y", &[("X-Test", "1")]);
    let requests = fake.requests();
    let endpoints: Vec<_> = requests.iter().map(|one| one.endpoint()).collect();
    let expected = [Endpoint::Authorization, Endpoint::Token, Endpoint::Jwks];
    assert_eq!(endpoints, expected.map(Some));
    assert_eq!(requests[0].connection, 0);
    assert_eq!(requests[1].form_value("client_id"), Some("web"));
    assert_eq!(requests[2].method, "GET");
    assert_eq!(requests[2].query_value("x"), Some(" y"));
    assert_eq!(requests[2].header("x-test"), Some("1"));
    fake.clear_requests();
    assert!(fake.requests().is_empty());
}

#[test]
fn port_is_free_again_after_a_drop() {
    let fake = builder().start();
    let http = Http::new(&fake);
    http.get("/oidc/jwks").ok();
    let endpoint = fake.endpoint().to_owned();
    let (_, port) = endpoint.rsplit_once(':').unwrap();
    let port = port.parse().unwrap();
    assert!(builder().port(port).build().is_err());
    drop(fake);
    let again = builder().port(port).start();
    assert_eq!(again.endpoint(), endpoint);
}
