//! The API that is called on the user's behalf.

use std::time::Duration;

use logto::{AccessTokenClaims, LogtoClient, OidcCore};
use ureq::Agent;

use crate::Failure;
use crate::settings::variable;

/// How much of an answer is read.
const MAX_BYTES: u64 = 64 * 1024;
const WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Default)]
pub struct Api {
    /// Its resource indicator; `None` if no API is configured.
    pub resource: Option<String>,
    /// What is called; with `None`, the access token is only shown.
    pub url: Option<String>,
}

/// What a call has brought.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The access token that an API would have been called with.
    Token(Box<AccessTokenClaims>),
    Response {
        status: u16,
        body: String,
    },
}

impl Api {
    pub fn from_env(resource: Option<&String>) -> Self {
        Self {
            resource: resource.cloned(),
            url: variable("LOGTO_API"),
        }
    }

    /// Blocks until the API has answered.
    pub fn call(&self, client: &LogtoClient) -> Result<Answer, Failure> {
        let resource = self.resource.as_deref();
        let resource = resource.ok_or("no API is configured: set LOGTO_RESOURCE")?;
        let token = client.access_token(resource)?;
        let token = token.ok_or(logto::LogtoError::NotAuthenticated)?;
        match &self.url {
            Some(url) => get(url, &token),
            None => Ok(Answer::Token(OidcCore::decode_access_token(&token)?.into())),
        }
    }
}

fn get(url: &str, token: &str) -> Result<Answer, Failure> {
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(WITHIN))
        .http_status_as_error(false)
        // The token is for this address only.
        .max_redirects(0)
        .build()
        .into();
    let request = agent
        .get(url)
        .header("Authorization", format!("Bearer {token}"));
    let mut response = request.call()?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(MAX_BYTES);
    Ok(Answer::Response {
        status,
        body: String::from_utf8_lossy(&body.read_to_vec()?).into_owned(),
    })
}
