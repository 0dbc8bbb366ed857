//! A web application in two processes over one Redis: whichever of them a request comes to, the user is the same.

#[path = "../logto-storage-redis/tests/common/server.rs"]
mod server;
mod support;

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use logto::web::{WebAuth, rouille as web};
use logto::{Logto, LogtoConfig, storage};
use logto_testing::FakeLogto;
use rouille::Response;
use server::RedisServer;
use support::curl::{Answer, Curl};
use ureq::http::Method;

const RESOURCE: &str = "https://api.example.com";
/// Where browsers reach the two, through what spreads the requests.
const BASE_URL: &str = "http://localhost:3000";

const ENDPOINT: &str = "TWO_PROCESSES_ENDPOINT";
const STORE: &str = "TWO_PROCESSES_STORE";

/// Does nothing by itself: the tests start this in processes of their own.
#[test]
fn process_that_serves() {
    let Ok(endpoint) = env::var(ENDPOINT) else {
        return;
    };
    let config = LogtoConfig::new(endpoint, "app")
        .app_secret("secret")
        .resources([RESOURCE]);
    let store = storage::open(&env::var(STORE).unwrap()).unwrap();
    let auth = WebAuth::builder(Logto::new(config).unwrap(), store, BASE_URL)
        .back_channel_logout_path("/backchannel-logout")
        .build()
        .unwrap();
    let server = rouille::Server::new("127.0.0.1:0", move |request| {
        web::answer(&auth, request, |user| match request.url().as_str() {
            "/token" => Response::text(user.client().access_token(RESOURCE).unwrap().unwrap()),
            _ => Response::text(user.claims().sub.clone()),
        })
    });
    let server = server.unwrap();
    println!("\nserving: {}", server.server_addr().port());
    server.run();
}

struct Application {
    child: Child,
    port: u16,
}

impl Application {
    fn start(endpoint: &str, store: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "process_that_serves", "--nocapture"])
            .env(ENDPOINT, endpoint)
            .env(STORE, store)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut ports = lines.map_while(Result::ok).filter_map(|line| {
            let (_, port) = line.split_once("serving: ")?;
            port.parse().ok()
        });
        let port = ports.next().expect("it serves");
        Self { child, port }
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser behind what sends each request to the other process.
struct RoundRobin {
    applications: [Application; 2],
    sent: usize,
    curl: Curl,
}

impl RoundRobin {
    /// To the one whose turn it is.
    fn url(&mut self, path: &str) -> String {
        self.sent += 1;
        let port = self.applications[(self.sent - 1) % 2].port;
        format!("http://localhost:{port}{path}")
    }

    fn get(&mut self, path: &str) -> Answer {
        let url = self.url(path);
        self.curl.get(&url)
    }

    fn sign_in(&mut self, fake: &FakeLogto) {
        let started = self.get("/sign-in?return_to=%2Faccount");
        let callback = fake.authorize(started.header("location").unwrap());
        let came_back = self.get(callback.strip_prefix(BASE_URL).unwrap());
        assert_eq!(came_back.status, 303, "{}", came_back.body);
        assert_eq!(self.get("/account").body, "alice");
    }

    /// Both processes, one after the other.
    fn nobody_is_signed_in(&mut self) {
        for _ in 0..2 {
            let answer = self.get("/account");
            assert_eq!(answer.status, 303, "{}", answer.body);
        }
    }
}

/// Requests that came over a connection, and so from the processes.
fn asked(fake: &FakeLogto) -> usize {
    let requests = fake.requests();
    requests.iter().filter(|one| one.connection != 0).count()
}

#[test]
fn a_user_is_one_to_both_processes() {
    let redis = RedisServer::start();
    let app = logto_testing::FakeApp::web("app", "secret").backchannel_logout_session_required();
    let fake = FakeLogto::builder()
        .app(app)
        .resource(RESOURCE, ["read:items"])
        .start();
    let start = || Application::start(fake.endpoint(), &redis.url());
    let mut visitor = RoundRobin {
        applications: [start(), start()],
        sent: 0,
        curl: Curl::default(),
    };

    visitor.sign_in(&fake);
    let before = visitor.curl.session_id();
    let fetched = visitor.get("/token").body;
    let at_logto = asked(&fake);
    for _ in 0..10 {
        assert_eq!(visitor.get("/token").body, fetched);
        assert_eq!(visitor.get("/account").body, "alice");
    }
    // An odd number of requests, so that each page has come from each process.
    assert_eq!(visitor.get("/account").body, "alice");
    for _ in 0..10 {
        assert_eq!(visitor.get("/token").body, fetched);
    }
    assert_eq!(asked(&fake), at_logto, "a cached token asks nobody");
    assert_eq!(visitor.curl.session_id(), before);

    let url = visitor.url("/sign-out");
    let same_origin = [("Sec-Fetch-Site", "same-origin")];
    let cookie = visitor.curl.session_id().unwrap();
    let left = visitor.curl.send(Method::POST, &url, &same_origin);
    assert_eq!(left.status, 303, "{}", left.body);
    // Even for who has kept the cookie.
    visitor.curl.set_session_id(&cookie);
    visitor.nobody_is_signed_in();

    let mut visitor = RoundRobin {
        curl: Curl::default(),
        ..visitor
    };
    visitor.sign_in(&fake);
    assert_eq!(visitor.get("/account").body, "alice");
    let elsewhere = visitor.url("/backchannel-logout");
    fake.set_backchannel_logout_uri("app", elsewhere);
    let token = fake.logout_token("app", "alice").sign();
    let delivery = fake.deliver_logout_token("app", &token);
    assert_eq!(delivery.outcome, Ok(200));
    visitor.nobody_is_signed_in();
    println!(
        "two processes over Redis: {} requests in turn, {} to Logto, none of them for 20 cached tokens",
        visitor.sent,
        asked(&fake)
    );
}
