//! A desktop program that signs its user in, as it is seen from outside.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use logto::desktop::{self, Cancel, DesktopError, DesktopSignInOptions};
use logto::storage::MemoryStorage;
use logto::{LogtoClient, LogtoConfig, SignInOutcome};
use logto_testing::{FakeApp, FakeLogto};
use url::{Position, Url};

/// What no test should take.
pub const LONG: Duration = Duration::from_secs(60);

/// A sign-in that waits for its browser.
pub struct Attempt {
    /// Where the browser was sent.
    pub url: String,
    pub cancel: Cancel,
    thread: JoinHandle<Result<SignInOutcome, DesktopError>>,
}

impl Attempt {
    pub fn start(client: &LogtoClient) -> Self {
        Self::with(client, DesktopSignInOptions::new())
    }

    pub fn with(client: &LogtoClient, options: DesktopSignInOptions) -> Self {
        let (sender, opened) = mpsc::channel();
        let cancel = Cancel::new();
        let options = options
            .timeout(LONG)
            .cancel(&cancel)
            .open_with(move |url| sender.send(url.to_owned()).map_err(io::Error::other));
        let client = client.clone();
        let thread = thread::spawn(move || desktop::sign_in(&client, &options));
        Self {
            url: opened.recv_timeout(LONG).expect("a browser is opened"),
            cancel,
            thread,
        }
    }

    pub fn parameter(&self, name: &str) -> String {
        parameter(&self.url, name)
    }

    pub fn redirect_uri(&self) -> String {
        self.parameter("redirect_uri")
    }

    pub fn port(&self) -> u16 {
        port_of(&self.redirect_uri())
    }

    /// Sends a GET for this path and query, as a browser at the right address.
    pub fn get(&self, target: &str) -> String {
        let host = format!("127.0.0.1:{}", self.port());
        self.send(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    }

    pub fn send(&self, request: &str) -> String {
        send(self.port(), request.as_bytes())
    }

    pub fn is_waiting(&self) -> bool {
        !self.thread.is_finished()
    }

    pub fn result(self) -> Result<SignInOutcome, DesktopError> {
        self.thread.join().unwrap()
    }

    /// The user signs in, and their browser opens the callback.
    pub fn succeed(self, fake: &FakeLogto) -> String {
        let callback = fake.authorize(&self.url);
        self.succeed_with(&callback)
    }

    pub fn succeed_with(self, callback: &str) -> String {
        let answer = open(callback);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert_eq!(self.result().unwrap().claims.sub, "alice");
        answer
    }
}

pub fn fake() -> FakeLogto {
    FakeLogto::builder()
        .app(FakeApp::native("desktop").redirect_uri("http://127.0.0.1/callback"))
        .start()
}

pub fn client(fake: &FakeLogto) -> LogtoClient {
    let config = LogtoConfig::new(fake.endpoint(), fake.app_id());
    LogtoClient::new(config, MemoryStorage::new()).unwrap()
}

pub fn parameter(url: &str, name: &str) -> String {
    let url = Url::parse(url).unwrap();
    let found = url.query_pairs().find(|(key, _)| key == name);
    found.expect("the parameter is there").1.into_owned()
}

pub fn port_of(url: &str) -> u16 {
    Url::parse(url).unwrap().port().unwrap()
}

/// Sends a request and reads the answer to its end.
pub fn send(port: u16, request: &[u8]) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Opens a callback as a browser does.
pub fn open(callback: &str) -> String {
    let url = Url::parse(callback).unwrap();
    let target = &url[Position::BeforePath..];
    let port = url.port().unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n\r\n");
    send(port, request.as_bytes())
}

pub fn is_closed(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err()
}
