//! Chromium, driven by WebDriver (<https://www.w3.org/TR/webdriver2/>): JSON over HTTP to `chromedriver`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;
use url::Url;

/// What the elements that WebDriver finds are named by.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];
const SCREENSHOTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/screenshots");
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Chromium with an empty profile. Dropping it closes it.
pub struct Chromium {
    driver: Child,
    /// Of the session, without a slash at its end.
    url: String,
    agent: Agent,
    _profile: TempDir,
}

impl Chromium {
    /// # Panics
    /// Where Chromium or its driver is missing.
    pub fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}", missing(&error.to_string())));
        let port = port(&mut driver);
        let profile = tempfile::tempdir().expect("there is a place for the profile");
        // From here on dropping stops the driver.
        let mut chromium = Self {
            driver,
            url: format!("http://127.0.0.1:{port}/session"),
            agent: agent(),
            _profile: profile,
        };
        let profile = format!("--user-data-dir={}", chromium._profile.path().display());
        let flags: Vec<_> = FLAGS.into_iter().chain([profile.as_str()]).collect();
        let options = json!({ "goog:chromeOptions": { "args": flags } });
        let session = chromium
            .call(
                "POST",
                "",
                &json!({ "capabilities": { "alwaysMatch": options } }),
            )
            .unwrap_or_else(|error| panic!("{}", missing(&error)));
        let id = session["sessionId"].as_str().expect("a session has an id");
        chromium.url = format!("{}/{id}", chromium.url);
        chromium
    }

    pub fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url }));
    }

    pub fn reload(&self) {
        self.post("/refresh", json!({}));
    }

    pub fn back(&self) {
        self.post("/back", json!({}));
    }

    /// Where it is, with the path.
    pub fn url(&self) -> Url {
        let url = self.get("/url");
        Url::parse(url.as_str().expect("a URL is text")).expect("it is a URL")
    }

    /// What a person reads on the page.
    pub fn text(&self) -> String {
        let text = self.script("return document.body.innerText");
        text.as_str().unwrap_or_default().to_owned()
    }

    pub fn script(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": [] }))
    }

    /// Clicks what a CSS selector finds first.
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.post(&format!("/element/{element}/click"), json!({}));
    }

    pub fn write(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.post(
            &format!("/element/{element}/value"),
            json!({ "text": text }),
        );
    }

    /// Waits for it: clicks return before what they lead to is there.
    fn element(&self, selector: &str) -> String {
        let wanted = json!({ "using": "css selector", "value": selector });
        let started = Instant::now();
        loop {
            match self.call("POST", "/element", &wanted) {
                Ok(found) => {
                    return found[ELEMENT]
                        .as_str()
                        .expect("an element has a name")
                        .to_owned();
                }
                Err(_) if started.elapsed() < PATIENCE => thread::sleep(PAUSE),
                Err(error) => panic!("{selector}: {error}, at {}:\n{}", self.url(), self.text()),
            }
        }
    }

    pub fn wait_for_text(&self, text: &str) {
        let started = Instant::now();
        while !self.text().contains(text) {
            let is_late = started.elapsed() >= PATIENCE;
            assert!(!is_late, "no {text:?} at {}:\n{}", self.url(), self.text());
            thread::sleep(PAUSE);
        }
    }

    /// Waits for the page of this path.
    pub fn wait_for(&self, path: &str) {
        let started = Instant::now();
        while self.url().path() != path || self.script("return document.readyState") != "complete" {
            let (url, text) = (self.url(), self.text());
            assert!(started.elapsed() < PATIENCE, "{url} is not {path}:\n{text}");
            thread::sleep(PAUSE);
        }
    }

    /// The tab that is shown.
    pub fn tab(&self) -> String {
        self.get("/window")
            .as_str()
            .expect("a tab has a name")
            .to_owned()
    }

    /// Opens another tab, and shows it.
    pub fn new_tab(&self) {
        let tab = self.post("/window/new", json!({ "type": "tab" }));
        self.show_tab(tab["handle"].as_str().expect("a tab has a name"));
    }

    pub fn show_tab(&self, tab: &str) {
        self.post("/window", json!({ "handle": tab }));
    }

    /// The cookies that the page gets, also those that its scripts do not see.
    pub fn cookies(&self) -> Vec<Value> {
        let cookies = self.get("/cookie");
        cookies.as_array().expect("cookies are a list").clone()
    }

    /// Deletes the cookies that the page gets.
    pub fn delete_cookies(&self) {
        self.call("DELETE", "/cookie", &Value::Null)
            .unwrap_or_else(|error| panic!("the cookies stay: {error}"));
    }

    /// Takes a picture of the whole page in light and in dark, wide and as narrow as a telephone.
    pub fn take_pictures(&self, name: &str) {
        let directory = Path::new(SCREENSHOTS);
        fs::create_dir_all(directory).expect("target is writable");
        for scheme in ["light", "dark"] {
            let scheme_feature = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
            self.devtools(
                "Emulation.setEmulatedMedia",
                json!({ "features": scheme_feature }),
            );
            for width in [1200, 390] {
                let metrics = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500 });
                self.devtools("Emulation.setDeviceMetricsOverride", metrics);
                let picture = json!({ "captureBeyondViewport": true });
                let picture = self.devtools("Page.captureScreenshot", picture);
                let picture = picture["data"].as_str().expect("a picture is text");
                let picture = STANDARD.decode(picture).expect("a picture is base64");
                let file = directory.join(format!("{name}-{scheme}-{width}.png"));
                fs::write(file, picture).expect("target is writable");
                self.fits(name, width);
            }
        }
        self.devtools("Emulation.clearDeviceMetricsOverride", json!({}));
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": [] }));
    }

    /// A page that is wider than its window has to be pushed about.
    fn fits(&self, name: &str, width: u32) {
        let wide = self.script("return document.documentElement.scrollWidth");
        let is_fitting = wide.as_u64().is_some_and(|wide| wide <= u64::from(width));
        assert!(
            is_fitting,
            "{name} is {wide} pixels wide in a window of {width}"
        );
    }

    fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.post("/goog/cdp/execute", body)
    }

    fn get(&self, path: &str) -> Value {
        let value = self.call("GET", path, &Value::Null);
        value.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn post(&self, path: &str, body: Value) -> Value {
        let value = self.call("POST", path, &body);
        value.unwrap_or_else(|error| panic!("{path} with {body}: {error}"))
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let url = format!("{}{path}", self.url);
        let answer = match method {
            "GET" => self.agent.get(url).call(),
            "DELETE" => self.agent.delete(url).call(),
            _ => self
                .agent
                .post(url)
                .header("Content-Type", "application/json")
                .send(body.to_string()),
        };
        let mut answer = answer.map_err(|error| error.to_string())?;
        let text = answer
            .body_mut()
            .with_config()
            .limit(64 << 20)
            .read_to_string();
        let text = text.map_err(|error| error.to_string())?;
        let mut value: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let value = value["value"].take();
        match answer.status().is_success() {
            true => Ok(value),
            false => Err(format!("{}: {}", value["error"], value["message"])),
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The browser first, which the driver started; each fails only where it is gone already.
        let _ = self.call("DELETE", "", &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn port(driver: &mut Child) -> u16 {
    let output = driver.stdout.take().expect("its output is piped");
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let port = lines.find_map(|line| {
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    // Reads on, so that it never writes into a closed pipe.
    thread::spawn(move || lines.for_each(drop));
    port.unwrap_or_else(|| panic!("{}", missing("it does not say its port")))
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(120)))
        .build()
        .into()
}

fn missing(reason: &str) -> String {
    format!(
        "these tests drive a real browser, and Chromium or `chromedriver` is missing or does not start ({reason}): install \
         both (Debian: `apt-get install chromium chromium-driver`), or leave these tests out with LOGTO_TEST_NO_BROWSER=1"
    )
}
