//! `logto::web::rouille` over HTTP.

mod support;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::JoinHandle;

use logto::storage::MemoryStorage;
use logto::web::{WebAuth, rouille as web};
use logto::{Logto, LogtoConfig};
use logto_testing::FakeLogto;
use rouille::{Request, Response};
use support::curl::Curl;
use support::raw;
use ureq::http::Method;

struct App {
    _fake: FakeLogto,
    address: SocketAddr,
    server: Option<(JoinHandle<()>, mpsc::Sender<()>)>,
}

impl App {
    fn start() -> Self {
        let fake = FakeLogto::start();
        let auth = Arc::new(OnceLock::<WebAuth>::new());
        let known = Arc::clone(&auth);
        let server = rouille::Server::new("127.0.0.1:0", move |request| {
            answer(known.get().unwrap(), request)
        });
        let server = server.unwrap();
        let address = server.server_addr();
        let config = LogtoConfig::new(fake.endpoint(), fake.app_id()).app_secret(fake.app_secret());
        let base_url = format!("http://localhost:{}", address.port());
        let made = WebAuth::new(Logto::new(config).unwrap(), MemoryStorage::new(), &base_url);
        auth.set(made.unwrap()).unwrap();
        Self {
            _fake: fake,
            address,
            server: Some(server.stoppable()),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.address.port())
    }

    fn send(&self, head: &str) -> (u16, String) {
        raw::send(self.address.port(), head)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if let Some((thread, stop)) = self.server.take() {
            // It fails only where the server has stopped already.
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

fn answer(auth: &WebAuth, request: &Request) -> Response {
    match request.url().as_str() {
        "/open" => match web::user(auth, request) {
            Ok(user) => {
                Response::text(user.map_or("nobody".to_owned(), |user| user.claims().sub.clone()))
            }
            Err(_) => Response::text("unavailable").with_status_code(503),
        },
        "/api" => match web::require_api_user(auth, request) {
            Ok(user) => Response::text(user.claims().sub.clone()),
            Err(response) => response,
        },
        path => {
            let cached = path == "/cached";
            web::answer(auth, request, |user| {
                let response = Response::text(user.claims().sub.clone());
                match cached {
                    true => response.with_private_cache(60),
                    false => response,
                }
            })
        }
    }
}

#[test]
fn a_visitor_signs_in_from_a_page_and_comes_back_to_it_and_signs_out() {
    let app = App::start();
    let mut curl = Curl::default();
    let page = curl.visit(&app.url("/orders?page=2"));
    assert_eq!(
        (page.url, page.body.as_str()),
        (app.url("/orders?page=2"), "alice")
    );
    assert_eq!(curl.get(&app.url("/api")).body, "alice");
    assert_eq!(curl.get(&app.url("/open")).body, "alice");

    let sign_out = app.url("/sign-out");
    let refused = curl.send(
        Method::POST,
        &sign_out,
        &[("Origin", "https://evil.example")],
    );
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let origin = app.url("");
    let left = curl.send(Method::POST, &sign_out, &[("Origin", &origin)]);
    assert_eq!(left.status, 303);
    assert_eq!(curl.session_id(), None);
    assert_eq!(curl.get(&app.url("/api")).status, 401);
    assert_eq!(curl.get(&app.url("/open")).body, "nobody");
}

#[test]
fn a_page_of_a_user_is_not_kept_by_the_browser_unless_the_application_says_so() {
    let app = App::start();
    let mut curl = Curl::default();
    let page = curl.visit(&app.url("/account"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let page = curl.get(&app.url("/cached"));
    assert_eq!(page.headers.get_all("cache-control").iter().count(), 1);
    assert_ne!(page.header("cache-control"), Some("no-store"));
}

#[test]
fn headers_that_come_twice_are_two() {
    let app = App::start();
    let mut curl = Curl::default();
    curl.visit(&app.url("/account"));
    let id = curl.session_id().unwrap();
    let (status, answer) = app.send(&format!(
        "GET /open HTTP/1.1\r\nCookie: a=1\r\nCookie: logto={id}"
    ));
    assert!(status == 200 && answer.ends_with("alice"), "{answer}");

    let planted = "A".repeat(43);
    let (_, answer) = app.send(&format!(
        "GET /open HTTP/1.1\r\nCookie: logto={planted}\r\nCookie: logto={id}"
    ));
    assert!(answer.ends_with("nobody"), "{answer}");
    let two = "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site";
    let (status, _) = app.send(&format!(
        "POST /sign-out HTTP/1.1\r\nCookie: logto={id}\r\n{two}\r\nContent-Length: 0"
    ));
    assert_eq!(status, 403);
}

#[test]
fn a_route_answers_other_methods_with_the_one_that_it_takes() {
    let app = App::start();
    for (head, allowed) in [
        ("HEAD /sign-in HTTP/1.1", "GET"),
        ("POST /callback HTTP/1.1\r\nContent-Length: 0", "GET"),
        ("BREW /sign-in HTTP/1.1", "GET"),
        ("GET /sign-out HTTP/1.1", "POST"),
    ] {
        let (status, answer) = app.send(head);
        assert_eq!(status, 405, "{head}: {answer}");
        let line = format!("\r\nallow: {}\r\n", allowed.to_lowercase());
        assert!(answer.to_lowercase().contains(&line), "{head}: {answer}");
    }
    let (status, answer) = app.send("HEAD /account HTTP/1.1");
    assert!(
        status == 303 && answer.contains("/sign-in?return_to=%2Faccount"),
        "{answer}"
    );
}

#[test]
fn targets_that_are_no_urls_are_refused_and_stop_nothing() {
    let app = App::start();
    for target in [
        "*",
        "no-slash",
        "/<>\"",
        "http://",
        "/\u{7f}",
        "//",
        "///evil.example/",
        "/%zz",
        "/a^b|c{d}",
    ] {
        let (status, answer) = app.send(&format!("GET {target} HTTP/1.1"));
        assert!(matches!(status, 303 | 400), "{target:?}: {answer}");
        assert!(!answer.contains("evil"), "{target:?}: {answer}");
    }
    let long = "a".repeat(60_000);
    let (status, answer) = app.send(&format!("GET /callback?code=c&state={long} HTTP/1.1"));
    assert_eq!(status, 400, "{answer}");
    assert_eq!(Curl::default().get(&app.url("/open")).body, "nobody");
}
