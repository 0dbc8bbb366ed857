//! The secrets of a scene, gathered as they appear, and the search for them.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::{Arc, Mutex};

use logto::{HttpClient, HttpError, LogtoError, UreqClient};
use serde_json::Value;
use url::form_urlencoded;

/// A shorter text may stand anywhere by chance.
const SHORTEST: usize = 16;

const SECRET_PARAMETERS: [&str; 9] = [
    "access_token",
    "client_secret",
    "code",
    "code_verifier",
    "id_token",
    "nonce",
    "refresh_token",
    "state",
    "token",
];

/// Clones share what they have gathered.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<Mutex<BTreeSet<String>>>);

impl Secrets {
    /// Adds one; of a JWT its payload and its signature too.
    pub fn add(&self, secret: &str) {
        let mut secrets = self.0.lock().unwrap();
        let parts = secret.split('.').skip(1);
        for text in parts.chain([secret]) {
            if text.len() >= SHORTEST {
                secrets.insert(text.to_owned());
            }
        }
    }

    /// Adds those among the parameters of a form or a query.
    pub fn add_parameters(&self, form: &[u8]) {
        for (name, value) in form_urlencoded::parse(form) {
            if SECRET_PARAMETERS.contains(&name.as_ref()) {
                self.add(&value);
            }
        }
    }

    /// Adds those among the members of an answer.
    fn add_members(&self, body: &[u8]) {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return;
        };
        for (name, value) in members {
            // The `code` of an answer is that of an error.
            if name.ends_with("_token")
                && let Value::String(value) = value
            {
                self.add(&value);
            }
        }
    }

    /// Holds a text to have none of them.
    pub fn are_not_in(&self, what: &str, text: &str) {
        let secrets = self.0.lock().unwrap();
        assert!(!secrets.is_empty());
        for secret in secrets.iter() {
            assert!(
                !text.contains(secret.as_str()),
                "{secret} is in {what}: {text}"
            );
        }
    }
}

/// All that an error says, to users and to developers.
pub fn told_by(error: &LogtoError) -> String {
    let mut told = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        told.push_str(&format!(" {error} {error:?}"));
        source = error.source();
    }
    told
}

/// Gathers the secrets of what is sent and answered.
#[derive(Debug, Clone)]
pub struct Overheard<C = UreqClient> {
    pub inner: C,
    pub secrets: Secrets,
}

impl<C: HttpClient> HttpClient for Overheard<C> {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
        body_limit: u64,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        if let Some(value) = request.headers().get(http::header::AUTHORIZATION) {
            let (_, credentials) = value.to_str().unwrap().split_once(' ').unwrap();
            self.secrets.add(credentials);
        }
        self.secrets.add_parameters(request.body());
        let answer = self.inner.send(request, body_limit)?;
        self.secrets.add_members(answer.body());
        Ok(answer)
    }
}
