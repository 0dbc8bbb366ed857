//! Errors as Logto words them.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::http::{Params, Response};

/// An error of OAuth or OpenID Connect.
#[derive(Clone, Debug)]
pub(super) struct OidcError {
    status: u16,
    error: &'static str,
    description: Cow<'static, str>,
    scope: Option<String>,
    challenge: Option<Challenge>,
    more: Vec<(&'static str, String)>,
}

/// What the `WWW-Authenticate` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer,
    /// Without the error, for a request that did not try.
    BareBearer,
}

impl OidcError {
    pub(super) fn new(
        status: u16,
        error: &'static str,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            error,
            description: description.into(),
            scope: None,
            challenge: None,
            more: Vec::new(),
        }
    }

    pub(super) fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "invalid_request", description)
    }

    pub(super) fn missing(parameter: &str) -> Self {
        Self::invalid_request(format!("missing required parameter '{parameter}'"))
    }

    pub(super) fn invalid_grant() -> Self {
        Self::new(400, "invalid_grant", "grant request is invalid")
    }

    pub(super) fn invalid_target() -> Self {
        Self::new(
            400,
            "invalid_target",
            "resource indicator is missing, or unknown",
        )
    }

    pub(super) fn access_denied(description: &'static str) -> Self {
        Self::new(403, "access_denied", description)
    }

    /// The client is known, and did not prove to be itself.
    pub(super) fn authentication_failed(by_basic: bool) -> Self {
        Self {
            challenge: by_basic.then_some(Challenge::Basic),
            ..Self::new(401, "invalid_client", "client authentication failed")
        }
    }

    pub(super) fn unknown_client(id: &str) -> Self {
        Self::new(400, "invalid_client", format!("invalid client {id}"))
    }

    pub(super) fn invalid_token() -> Self {
        Self::new(401, "invalid_token", "invalid token provided").bearer()
    }

    pub(super) fn no_token() -> Self {
        Self {
            challenge: Some(Challenge::BareBearer),
            ..Self::new(401, "invalid_token", "no access token provided")
        }
    }

    pub(super) fn not_found(method: &str, path: &str) -> Self {
        let route = path.strip_prefix("/oidc").unwrap_or(path);
        Self {
            status: 404,
            ..Self::invalid_request(format!(
                "unrecognized route or not allowed method ({method} on {route})"
            ))
        }
    }

    #[must_use]
    pub(super) fn bearer(mut self) -> Self {
        self.challenge = Some(Challenge::Bearer);
        self
    }

    #[must_use]
    pub(super) fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Adds a member to the body.
    #[must_use]
    pub(super) fn with(mut self, member: &'static str, value: impl Into<String>) -> Self {
        self.more.push((member, value.into()));
        self
    }

    /// As a page, or as the answer to a request of a program; `bare` without Logto's own members.
    pub(super) fn into_response(self, issuer: &str, bare: bool) -> Response {
        let response = Response::json(self.status, &self.body(bare));
        match self.challenge {
            Some(challenge) => {
                response.header("WWW-Authenticate", self.authenticate(challenge, issuer))
            }
            None => response,
        }
    }

    /// The parameters for a redirect back to the application.
    pub(super) fn into_pairs(self) -> Vec<(&'static str, String)> {
        let mut pairs = vec![("error", self.error.to_owned())];
        if !self.description.is_empty() {
            pairs.push(("error_description", self.description.into_owned()));
        }
        pairs.extend(self.scope.map(|scope| ("scope", scope)));
        pairs
    }

    fn body(&self, bare: bool) -> Value {
        let mut body = Map::new();
        let mut put = |member: &str, value: Value| body.insert(member.to_owned(), value);
        put("error", json!(self.error));
        put("error_description", json!(self.description));
        if !bare {
            put("code", json!(format!("oidc.{}", self.error)));
            put("message", json!(message(self.error)));
        }
        if !bare && self.error == "invalid_grant" {
            put("error_uri", json!("https://openid.sh/debug/invalid_grant"));
        }
        if let Some(scope) = &self.scope {
            put("scope", json!(scope));
        }
        for (member, value) in &self.more {
            put(member, json!(value));
        }
        Value::Object(body)
    }

    fn authenticate(&self, challenge: Challenge, issuer: &str) -> String {
        let scheme = match challenge {
            Challenge::Basic => "Basic",
            Challenge::Bearer | Challenge::BareBearer => "Bearer",
        };
        let mut value = format!("{scheme} realm=\"{issuer}\"");
        if challenge != Challenge::BareBearer {
            let (error, description) = (self.error, &self.description);
            value.push_str(&format!(
                ", error=\"{error}\", error_description=\"{description}\""
            ));
            if let Some(scope) = &self.scope {
                value.push_str(&format!(", scope=\"{scope}\""));
            }
        }
        value
    }
}

/// The value of a parameter that must be there.
pub(super) fn required<'a>(params: &'a Params, name: &str) -> Result<&'a str, OidcError> {
    params.get(name).ok_or_else(|| OidcError::missing(name))
}

/// Logto's sentence for the error; its unfilled placeholders are Logto's own.
fn message(error: &str) -> String {
    let known = match error {
        "access_denied" => "Access denied.",
        "insufficient_scope" => "Token missing scope `{{scope}}`.",
        "invalid_grant" => "Grant request is invalid.",
        "invalid_redirect_uri" => {
            "`redirect_uri` did not match any of the client's registered `redirect_uris`."
        }
        "invalid_request" => "Request is invalid.",
        "invalid_scope" => "Invalid scope: {{error_description}}.",
        "invalid_target" => "Invalid resource indicator.",
        "invalid_token" => "Invalid token provided.",
        "unsupported_grant_type" => "Unsupported `grant_type` requested.",
        _ => return format!("An OIDC error occurred: oidc.{error}."),
    };
    known.to_owned()
}
