//! A server without a socket: it answers what it was told to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Method, Request, Response};
use logto::{HttpClient, HttpError};

use super::choices::Choices;

/// What a request is for, by what is in it: hostile metadata names any address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Metadata,
    Keys,
    Tokens,
    UserInfo,
    Revocation,
}

/// One request, as it was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    pub asked: Asked,
    pub url: String,
    pub form: String,
}

/// One answer, or the failure to give one.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub content_type: Vec<u8>,
    pub retry_after: Option<&'static str>,
    pub body: Vec<u8>,
    pub is_broken: bool,
}

#[derive(Debug, Clone)]
pub struct Server(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    metadata: Answer,
    keys: Answer,
    tokens: Answer,
    user_info: Answer,
    revocation: Answer,
    sent: Vec<Sent>,
    most: usize,
}

/// No call needs more requests.
const MOST_REQUESTS: usize = 16;

impl Answer {
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            content_type: b"application/json; charset=utf-8".to_vec(),
            retry_after: None,
            body: body.into(),
            is_broken: false,
        }
    }

    /// The body in an answer that is right, mostly.
    pub fn around(body: impl Into<Vec<u8>>, choices: &mut Choices<'_>) -> Self {
        let mut answer = Self::json(body);
        if choices.one_in(6) {
            answer.status = choices.pick(&[400, 401, 403, 404, 429, 500, 503, 201, 204, 302, 307]);
        }
        if choices.one_in(12) {
            answer.content_type = choices
                .pick(&[
                    "",
                    "text/html",
                    "application/jwk-set+json",
                    "APPLICATION/JSON ;x",
                    "a/b+json",
                ])
                .into();
        }
        if choices.one_in(12) {
            let after = [
                "0",
                "7",
                "-1",
                "1e9",
                "18446744073709551615",
                "99999999999999999999",
            ];
            answer.retry_after = Some(choices.pick(&after));
        }
        answer.is_broken = choices.one_in(64);
        answer
    }

    /// Whether a client may read its body.
    pub fn is_readable(&self) -> bool {
        let essence = self.content_type.split(|byte| *byte == b';').next();
        let essence = String::from_utf8_lossy(essence.unwrap_or_default());
        let essence = essence.trim().to_ascii_lowercase();
        let is_json = ["application/json", "application/jwk-set+json"].contains(&&*essence);
        self.status == 200 && is_json && !self.is_broken
    }
}

impl Server {
    /// It answers all but metadata with an empty object.
    pub fn new(metadata: impl Into<Vec<u8>>) -> Self {
        let empty = Answer::json("{}");
        Self(Arc::new(Mutex::new(State {
            metadata: Answer::json(metadata),
            keys: empty.clone(),
            tokens: empty.clone(),
            user_info: empty.clone(),
            revocation: empty,
            sent: Vec::new(),
            most: MOST_REQUESTS,
        })))
    }

    pub fn answer(&self, asked: Asked, answer: Answer) {
        *self.state().answer(asked) = answer;
    }

    /// The requests since the last call of this.
    pub fn take_sent(&self) -> Vec<Sent> {
        std::mem::take(&mut self.state().sent)
    }

    /// Allows so many requests until the next [`take_sent`](Self::take_sent).
    pub fn allow(&self, most: usize) {
        self.state().most = most;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answer(&mut self, asked: Asked) -> &mut Answer {
        match asked {
            Asked::Metadata => &mut self.metadata,
            Asked::Keys => &mut self.keys,
            Asked::Tokens => &mut self.tokens,
            Asked::UserInfo => &mut self.user_info,
            Asked::Revocation => &mut self.revocation,
        }
    }
}

impl HttpClient for Server {
    fn send(
        &self,
        request: Request<Vec<u8>>,
        body_limit: u64,
    ) -> Result<Response<Vec<u8>>, HttpError> {
        let sent = Sent::new(&request);
        let mut state = self.state();
        let answer = state.answer(sent.asked).clone();
        let url = sent.url.clone();
        state.sent.push(sent);
        assert!(state.sent.len() <= state.most, "{} requests", state.most);
        if answer.is_broken {
            let source = std::sync::Arc::new(std::io::Error::other("the connection broke"));
            return Err(HttpError::Interrupted { url, source });
        }
        if answer.body.len() as u64 > body_limit {
            let limit = body_limit;
            return Err(HttpError::BodyTooLarge { url, limit });
        }
        let mut response = Response::builder()
            .status(answer.status)
            .header("content-type", answer.content_type);
        if let Some(seconds) = answer.retry_after {
            response = response.header("retry-after", seconds);
        }
        Ok(response.body(answer.body).unwrap())
    }
}

impl Sent {
    fn new(request: &Request<Vec<u8>>) -> Self {
        let form = String::from_utf8(request.body().clone()).unwrap();
        let url = request.uri().to_string();
        let asked = match *request.method() {
            Method::POST if form.contains("grant_type=") => Asked::Tokens,
            Method::POST => Asked::Revocation,
            _ if request.headers().contains_key("authorization") => Asked::UserInfo,
            _ if url.ends_with("/.well-known/openid-configuration") => Asked::Metadata,
            _ => Asked::Keys,
        };
        Self { asked, url, form }
    }
}
