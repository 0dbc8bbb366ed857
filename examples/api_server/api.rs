//! The routes.

use logto::{AccessTokenVerifier, LogtoError, TokenRequirements, VerifiedAccessToken};
use rouille::{Request, Response};
use serde_json::json;

pub struct Api {
    verifier: AccessTokenVerifier,
}

impl Api {
    pub fn new(verifier: AccessTokenVerifier) -> Self {
        Self { verifier }
    }

    pub fn answer(&self, request: &Request) -> Response {
        self.route(request).unwrap_or_else(|error| {
            // Quoted: the path is whatever the caller says, line ends too.
            eprintln!("{} {:?}: {error}", request.method(), request.url());
            rouille_response(self.verifier.error_response(&error))
        })
    }

    fn route(&self, request: &Request) -> Result<Response, LogtoError> {
        let url = request.url();
        let path: Vec<_> = url.split('/').skip(1).collect();
        match (request.method(), path.as_slice()) {
            ("GET", ["orders"]) => {
                let required = TokenRequirements::scopes(["read:orders"]);
                self.orders(&self.verify(request, &required)?)
            }
            ("GET", ["organizations", id, "orders"]) => {
                let required = TokenRequirements::scopes(["read:orders"]).organization(*id);
                self.orders(&self.verify(request, &required)?)
            }
            _ => Ok(json_response(404, &json!({ "error": "not_found" }))),
        }
    }

    fn verify(
        &self,
        request: &Request,
        required: &TokenRequirements,
    ) -> Result<VerifiedAccessToken, LogtoError> {
        self.verifier
            .verify_header(request.header("Authorization"), required)
    }

    fn orders(&self, token: &VerifiedAccessToken) -> Result<Response, LogtoError> {
        let orders = json!({
            "user": token.claims().sub,
            "organization": token.organization_id(),
            "orders": [{ "id": 1, "item": "a blue teapot" }],
        });
        Ok(json_response(200, &orders))
    }
}

/// For its caller alone.
fn json_response(status: u16, body: &serde_json::Value) -> Response {
    Response::from_data("application/json", body.to_string())
        .with_status_code(status)
        .with_unique_header("Cache-Control", "no-store")
}

fn rouille_response(response: http::Response<String>) -> Response {
    let (parts, body) = response.into_parts();
    let headers = parts.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned().into(), value.into())
    });
    Response {
        status_code: parts.status.as_u16(),
        headers: headers.collect(),
        data: rouille::ResponseBody::from_string(body),
        upgrade: None,
    }
}
