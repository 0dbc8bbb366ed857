//! The quickstart, as its reader starts it, with `cargo run`, and plays with it, with curl.

// Only here does `cargo run` become the program that it runs, so that killing the one kills the other.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use logto_testing::{Endpoint, FakeApp, FakeLogto, FakeUser, Misbehaviour};
use tempfile::TempDir;
use ureq::http::{Method, Request, Response, header};
use ureq::{Agent, Body};
use url::Url;

const RESOURCE: &str = "https://api.example.com";
/// The first start may have to compile it.
const START_TIMEOUT: Duration = Duration::from_secs(900);
const SIGNED_OUT: &str = "You are signed out";

#[test]
fn a_visitor_is_told_to_sign_in_and_gets_no_cookie() {
    let quickstart = Quickstart::start();
    let mut curl = Curl::default();

    let home = curl.get(&quickstart.url("/"));
    assert_eq!(home.status, 200);
    assert!(home.body.contains(SIGNED_OUT), "{home:?}");
    assert!(home.body.contains("href=\"/sign-up\""));
    assert_eq!(home.header("set-cookie"), None);
    assert_eq!(home.header("cache-control"), Some("no-store"));
    assert_eq!(home.header("x-content-type-options"), Some("nosniff"));
    let policy = home.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");

    let nowhere = curl.get(&quickstart.url("/nowhere"));
    assert_eq!(nowhere.status, 404);
    assert_eq!(nowhere.header("set-cookie"), None);
}

#[test]
fn signing_in_ends_on_a_page_with_the_users_name_and_under_a_new_session_id() {
    let quickstart = Quickstart::start();
    let mut curl = Curl::default();

    let started = curl.get(&quickstart.url("/sign-in"));
    let planted = curl.session_id().expect("a sign-in has a session");
    let home = curl.follow(started);
    assert_eq!(home.url, quickstart.url("/"));
    assert!(home.body.contains("<h1>Alice Example</h1>"), "{home:?}");
    assert_ne!(curl.session_id().unwrap(), planted);
    let again = curl.visit(&quickstart.url("/"));
    assert!(again.body.contains("<h1>Alice Example</h1>"), "{again:?}");

    let mut thief = Curl::default();
    thief.set_session_id(&planted);
    let home = thief.visit(&quickstart.url("/"));
    assert!(home.body.contains(SIGNED_OUT), "{home:?}");
}

#[test]
fn a_user_stays_signed_in_when_the_program_is_killed() {
    let quickstart = Quickstart::start();
    let mut curl = Curl::default();
    curl.visit(&quickstart.url("/sign-in"));

    let quickstart = quickstart.kill_and_restart();
    let home = curl.visit(&quickstart.url("/"));
    assert!(home.body.contains("<h1>Alice Example</h1>"), "{home:?}");
    assert!(home.body.contains("{&quot;plan&quot;:&quot;free&quot;}"));
    assert!(
        home.body
            .contains("Access token for https://api.example.com")
    );
    assert!(home.body.contains("<td>read:items write:items</td>"));
}

#[test]
fn signing_out_takes_a_form_of_the_same_site() {
    let quickstart = Quickstart::start();
    let mut curl = Curl::default();
    curl.visit(&quickstart.url("/sign-in"));
    let url = quickstart.url("/sign-out");

    let by_get = curl.get(&url);
    assert_eq!((by_get.status, by_get.header("allow")), (405, Some("POST")));
    for foreign in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
    ] {
        let refused = curl.send(Method::POST, &url, &[foreign]);
        assert_eq!(refused.status, 403, "{foreign:?}");
    }
    let home = curl.visit(&quickstart.url("/"));
    assert!(home.body.contains("<h1>Alice Example</h1>"), "{home:?}");

    let signed_in = curl.session_id().unwrap();
    let origin = quickstart.url("");
    let sign_out = curl.send(Method::POST, &url, &[("Origin", &origin)]);
    let home = curl.follow(sign_out);
    assert_eq!(home.url, quickstart.url("/"));
    assert!(home.body.contains(SIGNED_OUT), "{home:?}");
    assert_eq!(curl.session_id(), None);

    curl.set_session_id(&signed_in);
    let home = curl.visit(&quickstart.url("/"));
    assert!(home.body.contains(SIGNED_OUT), "{home:?}");
}

#[test]
fn a_callback_of_no_sign_in_is_an_error_page() {
    let quickstart = Quickstart::start();
    let mut curl = Curl::default();
    let url = quickstart.url("/callback?code=abc&state=%3Cb%3E");
    assert_eq!(curl.get(&url).status, 400);

    curl.get(&quickstart.url("/sign-in"));
    let page = curl.get(&url);
    assert_eq!(page.status, 400);
    assert!(page.body.contains("href=\"/sign-in\""), "{page:?}");
    assert!(!page.body.contains("<b>"), "{page:?}");
}

#[test]
fn redirect_uris_and_cookies_follow_the_configured_base_url_and_no_host_header() {
    let base_url = [("BASE_URL", "https://app.example.com")];
    let quickstart = Quickstart::start_with(tempfile::tempdir().unwrap(), &base_url);
    let mut curl = Curl::default();

    let host = [("Host", "evil.example")];
    let sign_in = curl.send(Method::GET, &quickstart.url("/sign-in"), &host);
    let location = Url::parse(sign_in.header("location").unwrap()).unwrap();
    let redirect_uri = location
        .query_pairs()
        .find(|(name, _)| name == "redirect_uri");
    assert_eq!(redirect_uri.unwrap().1, "https://app.example.com/callback");
    let cookie = sign_in.header("set-cookie").unwrap();
    for attribute in [
        "; HttpOnly",
        "; SameSite=Lax",
        "; Path=/",
        "; Max-Age=34560000",
        "; Secure",
    ] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
}

#[test]
fn it_uses_the_logto_server_of_the_environment() {
    let fake = real_server();
    let quickstart = start_with_real_server(&fake);
    let said = quickstart.output.join("\n");
    assert!(said.contains(fake.endpoint()), "{said}");
    assert!(said.contains(&quickstart.url("/callback")), "{said}");

    let mut curl = Curl::default();
    let home = curl.visit(&quickstart.url("/sign-in"));
    assert!(home.body.contains("<h1>&lt;b&gt;Mallory&lt;/b&gt;</h1>"));
    assert!(!home.body.contains("<b>"), "{home:?}");
    assert!(
        home.body
            .contains("Access token for https://api.example.com")
    );
    assert!(home.body.contains("<td>read:items</td>"), "{home:?}");

    let register = curl.get(&quickstart.url("/sign-up"));
    let location = register.header("location").unwrap();
    assert!(location.contains("first_screen=register"), "{location}");
}

#[test]
fn what_cannot_be_had_is_said_beside_the_rest() {
    let fake = real_server();
    let quickstart = start_with_real_server(&fake);
    let mut curl = Curl::default();
    curl.visit(&quickstart.url("/sign-in"));

    fake.misbehave(Endpoint::UserInfo, Misbehaviour::Status(503));
    let home = curl.visit(&quickstart.url("/"));
    assert_eq!(home.status, 200);
    assert_eq!(home.body.matches("Not available now").count(), 1);
    assert!(home.body.contains("Mallory"), "{home:?}");
    assert!(home.body.contains("<th scope=\"row\">client_id</th>"));
}

#[test]
fn a_user_whose_grant_is_revoked_is_offered_to_sign_in_again() {
    let fake = FakeLogto::builder()
        .app(FakeApp::web("app", "secret"))
        .resource(RESOURCE, ["read:items"])
        .start();
    let quickstart = start_with_real_server(&fake);
    let mut curl = Curl::default();
    let home = curl.visit(&quickstart.url("/sign-in"));
    assert!(!home.body.contains("Not available now"), "{home:?}");

    fake.revoke_grants();
    let home = curl.visit(&quickstart.url("/"));
    assert_eq!(home.status, 200);
    assert_eq!(home.body.matches("Sign in again").count(), 1);
    assert!(home.body.contains("Alice Example"), "{home:?}");
}

#[test]
fn a_server_that_is_down_is_a_page_that_says_to_try_again() {
    let fake = real_server();
    let quickstart = start_with_real_server(&fake);
    fake.misbehave(Endpoint::Discovery, Misbehaviour::Status(503));
    let page = Curl::default().get(&quickstart.url("/sign-in"));
    assert_eq!(page.status, 503);
    assert!(page.body.contains("try again"), "{page:?}");
}

#[test]
fn a_part_of_the_environment_is_refused_by_the_name_of_what_is_missing() {
    let endpoint = ("LOGTO_ENDPOINT", "https://foo.logto.app");
    for (set, missing) in [
        (vec![endpoint], "LOGTO_APP_ID"),
        (vec![("LOGTO_APP_ID", "app")], "LOGTO_ENDPOINT"),
        (vec![("LOGTO_APP_SECRET", "secret")], "LOGTO_ENDPOINT"),
        (vec![endpoint, ("LOGTO_APP_ID", "app")], "LOGTO_APP_SECRET"),
    ] {
        let message = refusal(&set);
        assert!(message.contains(missing), "{set:?}: {message}");
    }
}

#[test]
fn a_taken_port_is_named_and_a_taken_port_of_the_fake_server_replaced() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let message = refusal(&[("PORT", &port)]);
    assert!(
        message.contains(&format!("port {port} is taken")),
        "{message}"
    );
    let message = refusal(&[("PORT", "many")]);
    assert!(message.contains("PORT is \"many\""), "{message}");

    let fake_port = [("QUICKSTART_FAKE_PORT", port.as_str())];
    let quickstart = Quickstart::start_with(tempfile::tempdir().unwrap(), &fake_port);
    let home = Curl::default().visit(&quickstart.url("/sign-in"));
    assert!(home.body.contains("<h1>Alice Example</h1>"), "{home:?}");
}

/// A server that the quickstart has not started itself.
fn real_server() -> FakeLogto {
    FakeLogto::builder()
        .app(FakeApp::web("app", "secret"))
        .user(FakeUser::new("mallory").name("<b>Mallory</b>"))
        .resource(RESOURCE, ["read:items"])
        .start()
}

fn start_with_real_server(fake: &FakeLogto) -> Quickstart {
    let environment = [
        ("LOGTO_ENDPOINT", fake.endpoint()),
        ("LOGTO_APP_ID", fake.app_id()),
        ("LOGTO_APP_SECRET", fake.app_secret()),
        ("LOGTO_RESOURCE", RESOURCE),
        ("LOGTO_SCOPES", "read:items"),
    ];
    Quickstart::start_with(tempfile::tempdir().unwrap(), &environment)
}

/// What it says where it does not start.
fn refusal(environment: &[(&str, &str)]) -> String {
    let data = tempfile::tempdir().unwrap();
    let Output { status, stderr, .. } = command(data.path())
        .envs(environment.iter().copied())
        .output()
        .expect("cargo runs");
    let message = String::from_utf8_lossy(&stderr).into_owned();
    assert!(!status.success(), "{message}");
    assert!(!message.contains("panicked"), "{message}");
    message
}

fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO"));
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    command
        .args([
            "run",
            "--quiet",
            "--example",
            "quickstart",
            "--manifest-path",
            manifest,
        ])
        .env("PORT", "0")
        .env("QUICKSTART_DATA", data)
        .env("QUICKSTART_FAKE_PORT", "0");
    // The developer's own.
    for name in [
        "BASE_URL",
        "LOGTO_ENDPOINT",
        "LOGTO_APP_ID",
        "LOGTO_APP_SECRET",
        "LOGTO_RESOURCE",
        "LOGTO_SCOPES",
        "QUICKSTART_LOGIN_PAGE",
    ] {
        command.env_remove(name);
    }
    command
}

/// The program, running. Dropping it kills it.
struct Quickstart {
    child: Child,
    base_url: String,
    /// The lines that it wrote until it listened.
    output: Vec<String>,
    data: Option<TempDir>,
}

impl Quickstart {
    fn start() -> Self {
        Self::start_with(tempfile::tempdir().unwrap(), &[])
    }

    fn start_with(data: TempDir, environment: &[(&str, &str)]) -> Self {
        let mut child = command(data.path())
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("cargo runs");
        let lines = lines(child.stdout.take().expect("its output is piped"));
        // From here on dropping kills it.
        let mut quickstart = Self {
            child,
            base_url: String::new(),
            output: Vec::new(),
            data: Some(data),
        };
        while quickstart.base_url.is_empty() {
            quickstart.read_line(&lines);
        }
        quickstart
    }

    fn read_line(&mut self, lines: &Receiver<String>) {
        let line = lines
            .recv_timeout(START_TIMEOUT)
            .unwrap_or_else(|error| panic!("it does not start ({error}): {:?}", self.output));
        if let Some(base_url) = line.strip_prefix("Listening on ") {
            self.base_url = base_url.to_owned();
        }
        self.output.push(line);
    }

    /// With the same data, on the same ports.
    fn kill_and_restart(mut self) -> Self {
        let data = self.data.take().unwrap();
        let port = port(&self.base_url);
        let fake_port = self.output[0].split_whitespace().find_map(|word| {
            let address = word.trim_end_matches('.');
            address.starts_with("http://").then(|| self::port(address))
        });
        drop(self);
        let fake_port = fake_port.expect("it says where the fake server is");
        let ports = [
            ("PORT", port.as_str()),
            ("QUICKSTART_FAKE_PORT", fake_port.as_str()),
        ];
        Self::start_with(data, &ports)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }
}

impl Drop for Quickstart {
    fn drop(&mut self) {
        // Either fails only where the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn port(url: &str) -> String {
    let url = Url::parse(url).expect("it is a URL");
    url.port().expect("it has a port").to_string()
}

/// Reads on after the last line that is asked for, so that nobody writes into a closed pipe.
fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

/// `curl -c jar -b jar`. As for a browser, a host's cookies are for all of its ports.
#[derive(Default)]
struct Curl {
    jar: BTreeMap<(String, String), String>,
}

#[derive(Debug)]
struct Answer {
    url: String,
    status: u16,
    headers: header::HeaderMap,
    body: String,
}

impl Curl {
    /// With `-L`.
    fn visit(&mut self, url: &str) -> Answer {
        let answer = self.get(url);
        self.follow(answer)
    }

    fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..10 {
            let Some(location) = answer.header("location") else {
                return answer;
            };
            let url = Url::parse(&answer.url).unwrap().join(location).unwrap();
            answer = self.get(url.as_str());
        }
        panic!("the redirects do not come to an end: {answer:?}");
    }

    fn get(&mut self, url: &str) -> Answer {
        self.send(Method::GET, url, &[])
    }

    fn send(&mut self, method: Method, url: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let host = host(url);
        let cookies: Vec<_> = self
            .jar
            .iter()
            .filter(|((of, _), _)| *of == host)
            .map(|((_, name), value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        let response = agent()
            .run(request.body(()).expect("the request is valid"))
            .unwrap_or_else(|error| panic!("{url}: {error}"));
        self.keep_cookies(&host, &response);
        Answer::new(url, response)
    }

    fn keep_cookies(&mut self, host: &str, response: &Response<Body>) {
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("a cookie is ASCII");
            let (name, rest) = cookie.split_once('=').expect("a cookie has a name");
            let value = rest.split(';').next().unwrap_or_default();
            let key = (host.to_owned(), name.to_owned());
            match value.is_empty() {
                true => self.jar.remove(&key),
                false => self.jar.insert(key, value.to_owned()),
            };
        }
    }

    fn session_id(&self) -> Option<String> {
        self.jar.get(&session_cookie()).cloned()
    }

    fn set_session_id(&mut self, id: &str) {
        self.jar.insert(session_cookie(), id.to_owned());
    }
}

impl Answer {
    fn new(url: &str, mut response: Response<Body>) -> Self {
        let body = response.body_mut().read_to_string();
        Self {
            url: url.to_owned(),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: body.unwrap_or_else(|error| panic!("{url}: {error}")),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?;
        Some(value.to_str().expect("a header is ASCII"))
    }
}

fn session_cookie() -> (String, String) {
    ("localhost".to_owned(), "logto".to_owned())
}

fn host(url: &str) -> String {
    let url = Url::parse(url).expect("it is a URL");
    url.host_str().unwrap_or_default().to_owned()
}

fn agent() -> Agent {
    Agent::config_builder()
        .max_redirects(0)
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(120)))
        .build()
        .into()
}
