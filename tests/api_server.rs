//! The example of an API, as its reader starts it, with `cargo run`, and calls it, with curl.

// Only here does `cargo run` become the program that it runs, so that killing the one kills the other.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use logto::storage::MemoryStorage;
use logto::{AccessTokenRequest, LogtoClient, LogtoConfig, UserInfoScope};
use logto_testing::{Endpoint, FakeLogto, FakeUser, Misbehaviour};
use serde_json::{Value, json};
use ureq::Agent;

const API: &str = "https://api.example.com";
const OTHER_API: &str = "https://other.example.com";
const REALM: &str = "Bearer realm=\"https://api.example.com\"";

#[test]
fn the_lines_that_it_prints_work() {
    let server = ApiServer::start(None);
    let calls: Vec<_> = server.output.iter().filter_map(|line| curl(line)).collect();
    assert_eq!(calls.len(), 2, "{:?}", server.output);
    for ((url, header), organization) in calls.iter().zip([Value::Null, json!("org_1")]) {
        let answer = get(url, Some(header));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["user"], "alice");
        assert_eq!(answer.json()["organization"], organization);
    }
    let ((orders, plain), (_, of_organization)) = (&calls[0], &calls[1]);
    assert_eq!(get(orders, None).status, 401);
    assert_eq!(get(orders, Some(of_organization)).status, 403);
    let elsewhere = orders.replace("/orders", "/organizations/org_2/orders");
    for header in [plain, of_organization] {
        assert_eq!(get(&elsewhere, Some(header)).status, 403);
    }
    assert_eq!(get(&format!("{orders}/1"), Some(plain)).status, 404);
}

#[test]
fn each_refusal_says_what_is_missing() {
    let scene = Scene::new();
    let orders = scene.server.url("/orders");
    let get = |header: Option<&str>| get(&orders, header);

    let missing = get(None);
    assert_eq!((missing.status, missing.challenge()), (401, REALM));
    assert_eq!(missing.header("cache-control"), Some("no-store"));
    assert_eq!(get(Some("Basic YTpi")).challenge(), REALM);

    let malformed = get(Some("Bearer a b"));
    assert_eq!(
        (malformed.status, malformed.error()),
        (400, "invalid_request")
    );

    let (client, stranger) = (&scene.client, &scene.stranger);
    let token = |token: Option<String>| token.unwrap();
    for (bad, why) in [
        ("garbage".to_owned(), "garbage"),
        ("a.b.c".to_owned(), "garbage of three parts"),
        (token(client.id_token().unwrap()), "an ID token"),
        (token(client.access_token(None).unwrap()), "an opaque token"),
        (
            token(client.access_token(OTHER_API).unwrap()),
            "of another API",
        ),
        (
            token(client.organization_token("org_1").unwrap()),
            "of no API",
        ),
        (
            token(stranger.access_token(API).unwrap()),
            "of another server",
        ),
    ] {
        let answer = get(Some(&format!("Bearer {bad}")));
        assert_eq!(
            (answer.status, answer.error()),
            (401, "invalid_token"),
            "{why}"
        );
        assert_eq!(answer.json()["error"], "invalid_token", "{why}");
        assert!(!format!("{answer:?}").contains(&bad), "{why}");
    }

    // By query no token comes in.
    let good = token(client.access_token(API).unwrap());
    let by_query = self::get(&format!("{orders}?access_token={good}"), None);
    assert_eq!((by_query.status, by_query.challenge()), (401, REALM));
    assert_eq!(get(Some(&format!("BEARER {good}"))).status, 200);
}

#[test]
fn a_scope_or_an_organization_that_is_missing_is_403() {
    let scene = Scene::new();
    let request = AccessTokenRequest::from(API);
    let header = |request| {
        format!(
            "Bearer {}",
            scene.client.access_token(request).unwrap().unwrap()
        )
    };
    let (plain, acme) = (header(request), header(request.organization("org_1")));
    let there = scene.server.url("/organizations/org_1/orders");
    assert_eq!(get(&there, Some(&acme)).status, 200);
    let refused = get(&there, Some(&plain));
    assert_eq!(
        (refused.status, refused.error()),
        (403, "insufficient_scope")
    );

    // Who may read nothing but their own orders has a scope of which the one that is asked for is a part.
    let bob = FakeUser::new("alice").permissions(["read:orders:own"]);
    scene
        .fake
        .put_user(bob.organization("org_1", "Acme", ["member"]));
    let less = header(request.force_refresh(true));
    let refused = get(&scene.server.url("/orders"), Some(&less));
    assert_eq!(
        (refused.status, refused.error()),
        (403, "insufficient_scope")
    );
    assert!(
        refused.challenge().ends_with("scope=\"read:orders\""),
        "{refused:?}"
    );
}

#[test]
fn a_server_that_is_down_is_503_and_not_the_callers_fault() {
    let scene = Scene::new();
    let token = scene.client.access_token(API).unwrap().unwrap();
    let header = format!("Bearer {token}");
    let busy = Misbehaviour::StatusWithRetryAfter {
        status: 503,
        seconds: 17,
    };
    scene.fake.misbehave_times(Endpoint::Discovery, 1, busy);
    let orders = scene.server.url("/orders");
    let unavailable = get(&orders, Some(&header));
    assert_eq!(unavailable.status, 503);
    assert_eq!(unavailable.header("retry-after"), Some("17"));
    assert_eq!(unavailable.header("www-authenticate"), None);
    assert_eq!(get(&orders, Some(&header)).status, 200);
}

/// A Logto server, users of it and of another one, and the API.
struct Scene {
    fake: FakeLogto,
    client: LogtoClient,
    stranger: LogtoClient,
    server: ApiServer,
}

impl Scene {
    fn new() -> Self {
        let start = || {
            FakeLogto::builder()
                .user(FakeUser::new("alice").organization("org_1", "Acme", ["member"]))
                .resource(API, ["read:orders", "read:orders:own"])
                .resource(OTHER_API, ["read:orders"])
                .start()
        };
        let (fake, elsewhere) = (start(), start());
        Self {
            server: ApiServer::start(Some(fake.endpoint())),
            client: signed_in(&fake),
            stranger: signed_in(&elsewhere),
            fake,
        }
    }
}

fn signed_in(fake: &FakeLogto) -> LogtoClient {
    let config = LogtoConfig::new(fake.endpoint(), fake.app_id())
        .app_secret(fake.app_secret())
        .resources([API, OTHER_API])
        .scopes([UserInfoScope::Organizations])
        .scopes(["read:orders", "read:orders:own"]);
    let client = LogtoClient::new(config, MemoryStorage::new()).unwrap();
    let sign_in = client.sign_in("http://localhost:3000/callback").unwrap();
    let callback = fake.authorize(&sign_in);
    client.handle_sign_in_callback(&callback).unwrap();
    client.access_token(API).unwrap().unwrap();
    client
}

/// The program, running. Dropping it kills it.
struct ApiServer {
    child: Child,
    /// The lines that it wrote until it listened.
    output: Vec<String>,
}

impl ApiServer {
    fn start(endpoint: Option<&str>) -> Self {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let mut command = Command::new(env!("CARGO"));
        command
            .args(["run", "--quiet", "--example", "api_server"])
            .args(["--manifest-path", manifest])
            .env("PORT", "0")
            // The developer's own.
            .env_remove("LOGTO_ENDPOINT")
            .env_remove("LOGTO_RESOURCE")
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some(endpoint) = endpoint {
            command.env("LOGTO_ENDPOINT", endpoint);
        }
        let child = command.spawn().expect("cargo runs");
        // From here on dropping kills it.
        let mut server = Self {
            child,
            output: Vec::new(),
        };
        let stdout = server.child.stdout.take().expect("its output is piped");
        for line in BufReader::new(stdout).lines() {
            server.output.push(line.expect("it writes text"));
            if server.base_url().is_some() {
                return server;
            }
        }
        panic!("it does not start: {:?}", server.output);
    }

    fn base_url(&self) -> Option<&str> {
        let last = self.output.last()?;
        last.strip_prefix("Listening on ")
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url().unwrap())
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        // Either fails only where the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The URL and the header of a line for curl.
fn curl(line: &str) -> Option<(String, String)> {
    let rest = line.strip_prefix("curl -i -H 'Authorization: ")?;
    let (header, url) = rest.split_once("' ")?;
    Some((url.to_owned(), header.to_owned()))
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: ureq::http::HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?;
        Some(value.to_str().expect("a header is ASCII"))
    }

    fn challenge(&self) -> &str {
        self.header("www-authenticate").unwrap_or_default()
    }

    /// The error in the challenge.
    fn error(&self) -> &str {
        let rest = self.challenge().split_once("error=\"");
        let error = rest.and_then(|(_, rest)| rest.split_once('"'));
        error.map_or("", |(error, _)| error)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

fn get(url: &str, authorization: Option<&str>) -> Answer {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(120)))
        .build()
        .into();
    let mut request = agent.get(url);
    if let Some(authorization) = authorization {
        request = request.header("Authorization", authorization);
    }
    let mut response = request
        .call()
        .unwrap_or_else(|error| panic!("{url}: {error}"));
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.body_mut().read_to_string().unwrap(),
    }
}
