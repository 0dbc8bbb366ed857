//! `curl -c jar -b jar`, for programs that run at this machine's ports.

use std::collections::BTreeMap;
use std::time::Duration;

use ureq::http::{Method, Request, Response, header};
use ureq::{Agent, Body};
use url::Url;

/// As for a browser, a host's cookies are for all of its ports.
#[derive(Default)]
pub struct Curl {
    jar: BTreeMap<(String, String), String>,
}

#[derive(Debug)]
pub struct Answer {
    pub url: String,
    pub status: u16,
    pub headers: header::HeaderMap,
    pub body: String,
}

impl Curl {
    /// With `-L`.
    pub fn visit(&mut self, url: &str) -> Answer {
        let answer = self.get(url);
        self.follow(answer)
    }

    pub fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..10 {
            let Some(location) = answer.header("location") else {
                return answer;
            };
            let url = Url::parse(&answer.url).unwrap().join(location).unwrap();
            answer = self.get(url.as_str());
        }
        panic!("the redirects do not come to an end: {answer:?}");
    }

    pub fn get(&mut self, url: &str) -> Answer {
        self.send(Method::GET, url, &[])
    }

    pub fn send(&mut self, method: Method, url: &str, headers: &[(&str, &str)]) -> Answer {
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

    pub fn session_id(&self) -> Option<String> {
        self.jar.get(&session_cookie()).cloned()
    }

    pub fn set_session_id(&mut self, id: &str) {
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

    pub fn header(&self, name: &str) -> Option<&str> {
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
