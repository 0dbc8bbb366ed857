//! Signing in from a desktop program, with a browser that behaves, and with everybody else who finds
//! the port.

#![cfg(feature = "desktop")]

mod support;

use std::env;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use logto::desktop::{self, DesktopError, DesktopSignInOptions};
use logto::storage::MemoryStorage;
use logto::{CallbackError, FirstScreen, LogtoClient, LogtoConfig, LogtoError};
use logto_testing::{Endpoint, FakeApp, FakeLogto, Misbehaviour};
use support::browser::Browser;
use support::desktop::{Attempt, LONG, client, fake, is_closed, open, parameter, port_of};
use support::provider::{ALICE, ALICE_SUB, NATIVE_CLIENT, Provider};
use url::{Position, Url};

/// A browser that follows redirects by itself, as the system's does.
fn follow(fake: &Arc<FakeLogto>) -> impl Fn(&str) -> io::Result<()> + Send + Sync + 'static {
    let fake = Arc::clone(fake);
    move |url| {
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
        let page = agent.get(fake.authorize(url)).call();
        page.map(drop).map_err(io::Error::other)
    }
}

#[test]
fn one_call_signs_a_user_in() {
    let fake = Arc::new(fake());
    let client = client(&fake);
    let options = DesktopSignInOptions::new()
        .timeout(LONG)
        .open_with(follow(&fake));
    let signed_in = desktop::sign_in(&client, &options).unwrap();
    assert_eq!(signed_in.claims.sub, "alice");
    assert_eq!(client.id_token_claims().unwrap(), signed_in.claims);
    assert!(client.refresh_token().unwrap().is_some());
}

#[test]
fn a_real_provider_takes_any_port() {
    let provider = Provider::start();
    let config = LogtoConfig::new(provider.endpoint(), NATIVE_CLIENT);
    let client = LogtoClient::new(config, MemoryStorage::new()).unwrap();
    let attempt = Attempt::start(&client);
    let answer = open(&Browser::new().sign_in(&attempt.url, ALICE));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(attempt.result().unwrap().claims.sub, ALICE_SUB);

    let attempt = Attempt::start(&client);
    let answer = open(&Browser::new().cancel_sign_in(&attempt.url));
    assert!(answer.contains("You are not signed in"), "{answer}");
    assert!(attempt.result().unwrap_err().is_denied());
    assert_eq!(client.id_token_claims().unwrap().sub, ALICE_SUB);
}

#[test]
fn what_is_asked_can_be_changed() {
    let fake = fake();
    let options = DesktopSignInOptions::new().request(|request| {
        request
            .first_screen(FirstScreen::Register)
            .scopes(["read:items"])
    });
    let attempt = Attempt::with(&client(&fake), options);
    assert_eq!(attempt.parameter("first_screen"), "register");
    assert!(attempt.parameter("scope").contains("read:items"));
    assert!(attempt.redirect_uri().starts_with("http://127.0.0.1:"));
    assert!(attempt.redirect_uri().ends_with("/callback"));
    attempt.succeed(&fake);
}

#[test]
fn the_page_has_nothing_of_the_request() {
    let fake = fake();
    let attempt = Attempt::with(
        &client(&fake),
        DesktopSignInOptions::new().app_name("<Tom & Jerry>"),
    );
    let callback = fake.authorize(&attempt.url);
    let (code, state) = (parameter(&callback, "code"), parameter(&callback, "state"));
    let page = attempt.succeed_with(&callback);
    for secret in [&code, &state, &"?code".to_owned()] {
        assert!(!page.contains(secret), "{page}");
    }
    assert!(page.contains("return to &lt;Tom &amp; Jerry&gt;."));
    assert!(page.contains("history.replaceState"));
    for header in [
        "Cache-Control: no-store",
        "Referrer-Policy: no-referrer",
        "Content-Security-Policy: default-src 'none'",
        "Connection: close",
    ] {
        assert!(page.contains(header), "{header} in {page}");
    }
}

/// Each is answered, and the user's own browser still comes through afterwards.
#[test]
fn whatever_else_comes_is_refused_and_the_user_waited_for() {
    let fake = fake();
    let client = client(&fake);
    let attempt = Attempt::start(&client);
    let callback = fake.authorize(&attempt.url);
    let (code, state) = (parameter(&callback, "code"), parameter(&callback, "state"));
    let host = format!("127.0.0.1:{}", attempt.port());
    let right = format!("/callback?code={code}&state={state}");
    let wrong = "/callback?code=evil&state=evil&iss=evil";

    let get = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let post = |target: &str| {
        format!("POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello")
    };
    let long_line = "x".repeat(1024 * 1024);
    for (request, status) in [
        // Somebody's page whose name resolves to this machine, even if it knows the state.
        (get(&right, "evil.example"), 421),
        (
            get(&right, &format!("evil.example:{}", attempt.port())),
            421,
        ),
        (get(&right, &format!("localhost:{}", attempt.port())), 421),
        (get(&right, "127.0.0.1"), 421),
        (format!("GET {right} HTTP/1.1\r\n\r\n"), 400),
        (
            format!("GET {right} HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n"),
            400,
        ),
        (format!("GET {right} HTTP/1.0\r\n\r\n"), 400),
        (post(&right), 405),
        (post(wrong), 405),
        (
            format!("HEAD {right} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            405,
        ),
        (get("/", &host), 404),
        (get("/favicon.ico", &host), 404),
        (get("/callback/", &host), 404),
        (get(&format!("/other?state={state}"), &host), 404),
        (get(&format!("http://{host}{right}"), &host), 404),
        (get("/callback", &host), 400),
        (get(&format!("/callback?code={code}"), &host), 400),
        (get(wrong, &host), 400),
        (get("/callback?error=access_denied", &host), 400),
        (get("/callback?error=access_denied&state=evil", &host), 400),
        (
            get(&format!("/callback?state=evil&state={state}"), &host),
            400,
        ),
        (get(&format!("{right}&state={state}"), &host), 400),
        (get(&format!("{right}&code=evil"), &host), 400),
        (get(&format!("{right}&id_token=evil"), &host), 400),
        (get(&format!("/{long_line}"), &host), 431),
        (
            format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(5000)),
            431,
        ),
        ("\u{16}\u{3}\u{1}\u{2}".to_owned(), 400),
        (format!("{long_line}\r\n\r\n"), 431),
    ] {
        let shown: String = request.chars().take(120).collect();
        let answer = attempt.send(&request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{shown:?}: {answer:?}"
        );
        assert!(!answer.contains(&code) && !answer.contains(&state));
        assert!(!answer.contains("evil"), "{shown:?}: {answer:?}");
        assert!(attempt.is_waiting(), "{shown:?}");
    }
    assert!(fake.requests_to(Endpoint::Token).is_empty());
    let port = attempt.port();
    attempt.succeed_with(&callback);
    assert!(is_closed(port));
}

#[test]
fn a_hundred_slow_connections_keep_nobody_out() {
    let fake = fake();
    let attempt = Attempt::start(&client(&fake));
    let slow: Vec<_> = (0..100)
        .map(|n| {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, attempt.port())).unwrap();
            // Half of them say nothing at all.
            if n % 2 == 0 {
                stream.write_all(b"GET /callback?state=").unwrap();
            }
            stream
        })
        .collect();
    // One after the other they would take longer than the sign-in may.
    attempt.succeed(&fake);
    drop(slow);
}

#[test]
fn a_request_may_come_in_pieces() {
    let fake = fake();
    let attempt = Attempt::start(&client(&fake));
    let callback = Url::parse(&fake.authorize(&attempt.url)).unwrap();
    let target = &callback[Position::BeforePath..];
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n",
        attempt.port()
    );
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, attempt.port())).unwrap();
    for piece in request.as_bytes().chunks(40) {
        stream.write_all(piece).unwrap();
        thread::sleep(Duration::from_millis(15));
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    attempt.result().unwrap();
}

#[test]
fn one_success_ends_it() {
    let fake = fake();
    let attempt = Attempt::start(&client(&fake));
    let (callback, port) = (fake.authorize(&attempt.url), attempt.port());
    attempt.succeed_with(&callback);
    assert!(is_closed(port));
    assert_eq!(fake.requests_to(Endpoint::Token).len(), 1);
}

#[test]
fn who_declines_is_not_signed_in() {
    let fake = fake();
    let client = client(&fake);
    let attempt = Attempt::start(&client);
    let (port, state) = (attempt.port(), attempt.parameter("state"));
    let page = attempt.get(&format!(
        "/callback?error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E\
         &state={state}&iss={}",
        fake.issuer()
    ));
    assert!(page.starts_with("HTTP/1.1 400 ") && page.contains("You are not signed in"));
    assert!(!page.contains("alert") && !page.contains(&state), "{page}");
    let error = attempt.result().unwrap_err();
    assert!(error.is_denied() && !error.is_cancelled() && !error.is_timeout());
    let oauth_error = error.logto_error().unwrap().oauth_error().unwrap();
    assert_eq!(oauth_error.error, "access_denied");
    assert!(!client.is_authenticated().unwrap());
    assert!(is_closed(port));
}

#[test]
fn a_failure_at_the_server_ends_it() {
    let fake = fake();
    let client = client(&fake);
    for endpoint in [Endpoint::Token, Endpoint::Jwks] {
        fake.misbehave(endpoint, Misbehaviour::Status(500));
        let attempt = Attempt::start(&client);
        let (callback, port) = (fake.authorize(&attempt.url), attempt.port());
        let page = open(&callback);
        assert!(page.contains("The sign-in did not work"), "{page}");
        let error = attempt.result().unwrap_err();
        assert!(error.logto_error().unwrap().is_retryable(), "{error}");
        assert!(!client.is_authenticated().unwrap());
        assert!(is_closed(port));
        fake.calm();
    }
}

#[test]
fn a_callback_of_another_issuer_ends_it() {
    let fake = fake();
    let attempt = Attempt::start(&client(&fake));
    let callback = fake.authorize(&attempt.url);
    let evil = callback.split("&iss=").next().unwrap().to_owned() + "&iss=https://evil.example";
    let page = open(&evil);
    assert!(page.contains("The sign-in did not work"), "{page}");
    assert!(matches!(
        attempt.result(),
        Err(DesktopError::Logto(LogtoError::Callback(
            CallbackError::IssuerMismatch
        )))
    ));
}

#[test]
fn an_old_user_stays_until_the_new_one_is_there() {
    let fake = fake();
    let client = client(&fake);
    Attempt::start(&client).succeed(&fake);
    let before = client.refresh_token().unwrap();

    let attempt = Attempt::start(&client);
    attempt.cancel.cancel();
    assert!(attempt.result().unwrap_err().is_cancelled());
    assert_eq!(client.refresh_token().unwrap(), before);

    Attempt::start(&client).succeed(&fake);
    assert_ne!(client.refresh_token().unwrap(), before);
}

#[test]
fn cancelling_ends_the_wait_at_once() {
    let fake = fake();
    let attempt = Attempt::start(&client(&fake));
    let port = attempt.port();
    assert!(attempt.is_waiting());
    attempt.cancel.cancel();
    let error = attempt.result().unwrap_err();
    assert!(error.is_cancelled() && !error.is_timeout(), "{error}");
    assert!(is_closed(port));
}

#[test]
fn a_user_who_does_not_come_is_not_waited_for_for_ever() {
    let fake = fake();
    let (sender, opened) = mpsc::channel();
    let options = DesktopSignInOptions::new()
        .timeout(Duration::from_millis(100))
        .open_with(move |url| sender.send(url.to_owned()).map_err(io::Error::other));
    let error = desktop::sign_in(&client(&fake), &options).unwrap_err();
    assert!(error.is_timeout() && !error.is_cancelled(), "{error}");
    let url = opened.recv_timeout(LONG).unwrap();
    assert!(is_closed(port_of(&parameter(&url, "redirect_uri"))));
}

#[test]
fn the_next_port_is_tried() {
    let fake = fake();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let options = DesktopSignInOptions::new().ports([port, 0]);
    let attempt = Attempt::with(&client(&fake), options);
    assert_ne!(attempt.port(), port);
    attempt.succeed(&fake);
}

#[test]
fn without_a_port_no_browser_is_opened() {
    let fake = fake();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    for (ports, path) in [
        (vec![port, port], "/callback"),
        (vec![], "/callback"),
        (vec![0], "callback"),
        (vec![0], "/callback?x=1"),
    ] {
        let opened = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&opened);
        let options = DesktopSignInOptions::new()
            .ports(ports)
            .path(path)
            .open_with(move |_| {
                counter.fetch_add(1, Ordering::SeqCst);
                Ok(())
            });
        let error = desktop::sign_in(&client(&fake), &options).unwrap_err();
        match path {
            "/callback" => assert!(matches!(error, DesktopError::NoPort { .. }), "{error}"),
            _ => assert!(matches!(error, DesktopError::InvalidPath { .. }), "{error}"),
        }
        assert_eq!(opened.load(Ordering::SeqCst), 0);
    }
    assert!(fake.requests().is_empty());
}

#[test]
fn where_no_browser_opens_the_address_is_shown() {
    let fake = fake();
    let openers: [fn(DesktopSignInOptions) -> DesktopSignInOptions; 3] = [
        |options| options.without_browser(),
        |options| options.open_with(|_| Err(io::ErrorKind::NotFound.into())),
        |options| options.open_with(|_| panic!("a browser that breaks")),
    ];
    for opener in openers {
        let (sender, shown) = mpsc::channel();
        let options = opener(DesktopSignInOptions::new())
            .timeout(LONG)
            .show_url(move |url| sender.send(url.to_owned()).unwrap());
        let client = client(&fake);
        let thread = thread::spawn(move || desktop::sign_in(&client, &options));
        let url = shown.recv_timeout(LONG).unwrap();
        open(&fake.authorize(&url));
        assert_eq!(thread.join().unwrap().unwrap().claims.sub, "alice");
        assert!(shown.try_recv().is_err(), "it was shown twice");
    }
}

#[test]
fn a_program_has_its_own_pages() {
    let fake = fake();
    let options = || {
        DesktopSignInOptions::new()
            .success_html("<h1>Hooray</h1>")
            .failure_html("<h1>Alas</h1>")
    };
    let page = Attempt::with(&client(&fake), options()).succeed(&fake);
    assert!(page.contains("<h1>Hooray</h1>") && page.contains("history.replaceState"));

    let attempt = Attempt::with(&client(&fake), options());
    fake.misbehave(Endpoint::Token, Misbehaviour::Status(500));
    assert!(open(&fake.authorize(&attempt.url)).contains("<h1>Alas</h1>"));
    attempt.result().unwrap_err();
}

#[test]
fn the_browser_can_come_back_by_ipv6() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return; // this machine has none
    }
    let fake = FakeLogto::builder().app(FakeApp::native("desktop")).start();
    let attempt = Attempt::with(&client(&fake), DesktopSignInOptions::new().ipv6(true));
    let callback = fake.authorize(&attempt.url);
    let url = Url::parse(&callback).unwrap();
    let target = &url[Position::BeforePath..];
    let host = format!("[::1]:{}", attempt.port());
    assert!(callback.starts_with(&format!("http://{host}/callback?")));
    assert!(is_closed(attempt.port()), "not on 127.0.0.1 as well");

    let mut stream = TcpStream::connect((Ipv6Addr::LOCALHOST, attempt.port())).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    attempt.result().unwrap();
}

#[test]
fn a_scheme_of_ones_own_needs_nothing_of_this() {
    let uri = "com.example.app:/callback";
    let fake = FakeLogto::builder()
        .app(FakeApp::native("desktop").redirect_uri(uri))
        .start();
    let client = client(&fake);
    let callback = fake.authorize(&client.sign_in(uri).unwrap());
    assert!(callback.starts_with("com.example.app:/callback?code="));
    let evil = callback.replace("com.example.app:", "com.example.evil:");
    assert!(matches!(
        client.handle_sign_in_callback(&evil),
        Err(LogtoError::Callback(CallbackError::RedirectUriMismatch))
    ));
    let signed_in = client.handle_sign_in_callback(&callback).unwrap();
    assert_eq!(signed_in.claims.sub, "alice");
}

#[test]
fn an_address_is_shown_where_a_browser_only_seems_to_open() {
    let fake = fake();
    let (sender, told) = mpsc::channel();
    let (on_url, show_url) = (sender.clone(), sender);
    let options = DesktopSignInOptions::new()
        .on_url(move |url| on_url.send(("told", url.to_owned())).unwrap())
        .show_url(move |url| show_url.send(("shown", url.to_owned())).unwrap())
        .show_url_after(Duration::ZERO);
    let attempt = Attempt::with(&client(&fake), options);
    for how in ["told", "shown"] {
        let told = told.recv_timeout(LONG).unwrap();
        assert_eq!(told, (how, attempt.url.clone()));
    }
    attempt.succeed(&fake);
    assert!(told.try_recv().is_err(), "it was shown twice");
}

#[test]
fn a_browser_that_comes_back_within_the_time_needs_no_address() {
    let fake = fake();
    let (sender, shown) = mpsc::channel();
    let options = DesktopSignInOptions::new()
        .show_url(move |url| sender.send(url.to_owned()).unwrap())
        .show_url_after(LONG);
    Attempt::with(&client(&fake), options).succeed(&fake);
    assert!(shown.try_recv().is_err());
}

/// The child writes to a pipe that nobody reads.
#[test]
fn a_closed_standard_error_ends_nothing() {
    const CHILD: &str = "LOGTO_TEST_WITHOUT_STDERR";
    if env::var_os(CHILD).is_some() {
        // Only when the other end is closed.
        io::stdin().read_to_end(&mut Vec::new()).unwrap();
        let fake = fake();
        let options = DesktopSignInOptions::new()
            .timeout(Duration::from_millis(100))
            .without_browser();
        let error = desktop::sign_in(&client(&fake), &options).unwrap_err();
        assert!(error.is_timeout());
        return;
    }
    let mut child = Command::new(env::current_exe().unwrap())
        .args([
            "a_closed_standard_error_ends_nothing",
            "--exact",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_crowd_does_not_push_out_a_browser_that_has_not_spoken_yet() {
    let fake = fake();
    let attempt = Attempt::start(&client(&fake));
    let callback = Url::parse(&fake.authorize(&attempt.url)).unwrap();
    let address = (Ipv4Addr::LOCALHOST, attempt.port());
    let mut browser = TcpStream::connect(address).unwrap();
    let crowd: Vec<_> = (0..70)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let target = &callback[Position::BeforePath..];
    let host = format!("127.0.0.1:{}", attempt.port());
    write!(browser, "GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    browser.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    drop(crowd);
    attempt.result().unwrap();
}
