//! A server without a network: its answers are there already.

use http::{Request, Response};
use logto::{HttpClient, HttpError};
use serde_json::{Value, json};

/// The metadata of the server at this endpoint, and its only key.
#[derive(Debug)]
pub(crate) struct Canned {
    pub(crate) endpoint: &'static str,
    pub(crate) key: Value,
}

impl HttpClient for Canned {
    fn send(
        &self,
        request: Request<Vec<u8>>,
        _body_limit: u64,
    ) -> Result<Response<Vec<u8>>, HttpError> {
        let body = match request.uri().path() {
            "/oidc/jwks" => json!({ "keys": [self.key] }),
            _ => metadata(self.endpoint),
        };
        let answer = Response::builder().header("content-type", "application/json");
        Ok(answer.body(body.to_string().into_bytes()).unwrap())
    }
}

/// What the server at this endpoint says of itself.
pub(crate) fn metadata(endpoint: &str) -> Value {
    let at = |path: &str| format!("{endpoint}/oidc{path}");
    json!({
        "issuer": at(""),
        "authorization_endpoint": at("/auth"),
        "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/me"),
        "jwks_uri": at("/jwks"),
    })
}
