//! Starts a program beside a fake Logto, signs a user in, and ends it: `drive session|server|desktop PROGRAM`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use logto_testing::{FakeApp, FakeLogto};
use ureq::Agent;

const TIMEOUT: Duration = Duration::from_secs(60);

const SECRET: &str = "secret";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (how, program) = (arguments.next().unwrap(), arguments.next().unwrap());
    let said = match how.as_str() {
        "session" => session(Command::new(program)),
        "server" => server(Command::new(program)),
        "desktop" => desktop(Command::new(program)),
        _ => panic!("drive session|server|desktop PROGRAM"),
    };
    assert_eq!(said.trim_end(), "Hello, alice");
}

/// It prints where to send the browser, and reads the callback.
fn session(mut program: Command) -> String {
    let base_url = "http://localhost:3000";
    let fake = fake_for(&mut program, FakeApp::web("app", SECRET), base_url);
    program
        .env("LOGTO_APP_SECRET", SECRET)
        .env("REDIRECT_URI", format!("{base_url}/callback"))
        .stdin(Stdio::piped());
    let mut child = Running(program.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap());
    let mut url = String::new();
    lines.read_line(&mut url).unwrap();
    let callback = fake.authorize(url.trim_end());
    writeln!(child.0.stdin.take().unwrap(), "{callback}").unwrap();
    let mut said = String::new();
    lines.read_to_string(&mut said).unwrap();
    assert!(child.0.wait().unwrap().success());
    said
}

/// It listens, and every page of it is for users.
fn server(mut program: Command) -> String {
    let port = free_port();
    let address = format!("localhost:{port}");
    let base_url = format!("http://{address}");
    let _fake = fake_for(&mut program, FakeApp::web("app", SECRET), &base_url);
    program
        .env("LOGTO_APP_SECRET", SECRET)
        .env("ADDRESS", &address);
    let _child = Running(program.spawn().unwrap());
    wait_for(|| TcpStream::connect(&address).ok());
    visit(&base_url)
}

/// It opens a browser, which is told by `BROWSER`, and waits for it.
fn desktop(mut program: Command) -> String {
    let opened = std::env::current_dir().unwrap().join("opened");
    let fake = fake_for(&mut program, FakeApp::native("app"), "http://127.0.0.1");
    let browser = browser_that_writes_to(&opened);
    program
        .env("BROWSER", browser)
        .env("PASSPHRASE", "correct horse");
    let mut child = Running(program.stdout(Stdio::piped()).spawn().unwrap());
    let url = wait_for(|| std::fs::read_to_string(&opened).ok());
    ureq::get(&fake.authorize(&url)).call().unwrap();
    let mut said = String::new();
    child
        .0
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(child.0.wait().unwrap().success());
    said
}

fn browser_that_writes_to(opened: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;

    let browser = opened.with_file_name("browser");
    let script = "#!/bin/sh\nprintf %s \"$1\" >\"$0.part\" && mv \"$0.part\" \"${0%/*}/opened\"\n";
    std::fs::write(&browser, script).unwrap();
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o700)).unwrap();
    browser
}

fn fake_for(program: &mut Command, app: FakeApp, base_url: &str) -> FakeLogto {
    let app = app.redirect_uri(format!("{base_url}/callback"));
    let fake = FakeLogto::builder().app(app).start();
    program
        .env("LOGTO_ENDPOINT", fake.endpoint())
        .env("LOGTO_APP_ID", "app");
    fake
}

/// Follows the redirects with cookies, as a browser does.
fn visit(base_url: &str) -> String {
    let agent: Agent = Agent::config_builder()
        .max_redirects(0)
        .proxy(None)
        .build()
        .into();
    let (mut url, mut cookies) = (format!("{base_url}/orders"), BTreeMap::new());
    for _ in 0..10 {
        let pairs: Vec<_> = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut response = agent
            .get(&url)
            .header("Cookie", pairs.join("; "))
            .call()
            .unwrap();
        for cookie in response.headers().get_all("set-cookie") {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            cookies.insert(name.to_owned(), value.to_owned());
        }
        match response
            .headers()
            .get("location")
            .map(|to| to.to_str().unwrap())
        {
            Some(path) if path.starts_with('/') => url = format!("{base_url}{path}"),
            Some(elsewhere) => url = elsewhere.to_owned(),
            None => return response.body_mut().read_to_string().unwrap(),
        }
    }
    panic!("the redirects do not come to an end: {url}");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < TIMEOUT, "it does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Either fails only where the process is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
