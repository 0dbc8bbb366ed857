//! A client that is as plain as can be, so that the tests see what the server sends.

#![allow(dead_code)] // no test uses all of it

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use logto_testing::{FakeApp, FakeLogto, FakeLogtoBuilder, FakeUser};
use ring::digest;
use ring::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};
use url::Url;

pub const CALLBACK: &str = "http://127.0.0.1:8765/callback";
pub const API: &str = "https://api.example.test";
pub const VERIFIER: &str = "a-verifier-of-more-than-forty-three-characters";
pub const ALL_SCOPES: &str = "openid offline_access profile email roles custom_data identities \
                              urn:logto:scope:organizations urn:logto:scope:organization_roles \
                              read:items write:items org:read";

/// Alice may do everything, Bob nothing; a web, a native and a machine application.
pub fn builder() -> FakeLogtoBuilder {
    let clock = logto_testing::TestClock::new();
    clock.freeze();
    FakeLogto::builder()
        .clock(clock)
        .app(FakeApp::web("web", "s3cret"))
        .app(FakeApp::native("native"))
        .app(FakeApp::machine("machine", "m"))
        .user(
            FakeUser::new("alice")
                .name("Alice Example")
                .email("alice@example.test")
                .profile("given_name", "Alice")
                .custom_data(json!({"team": "blue"}))
                .role("item-user")
                .organization("org_1", "Acme", ["editor"])
                .organization_permissions("org_1", ["org:read", "org:write"]),
        )
        .user(FakeUser::new("bob").permissions([""; 0]))
        .resource(API, ["read:items", "write:items"])
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect(&self.text)
    }

    /// The body of a success.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    /// The status and the error's name.
    pub fn error(&self) -> (u16, String) {
        let error = self.json()["error"].as_str().unwrap_or("none").to_owned();
        (self.status, error)
    }
}

pub struct Http {
    agent: ureq::Agent,
    endpoint: String,
}

impl Http {
    pub fn new(fake: &FakeLogto) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Self {
            agent: config.into(),
            endpoint: fake.endpoint().to_owned(),
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[])
    }

    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.try_get(path, headers).expect("there is an answer")
    }

    pub fn try_get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer, ureq::Error> {
        let mut request = self.agent.get(format!("{}{path}", self.endpoint));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.call()?)
    }

    pub fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.post_with(path, form, &[])
    }

    pub fn post_with(&self, path: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        self.try_post(path, form, headers)
            .expect("there is an answer")
    }

    pub fn try_post(
        &self,
        path: &str,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Result<Answer, ureq::Error> {
        let mut request = self.agent.post(format!("{}{path}", self.endpoint));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.send_form(form.iter().copied())?)
    }

    pub fn post_text(&self, path: &str, content_type: &str, body: &str) -> Answer {
        let request = self
            .agent
            .post(format!("{}{path}", self.endpoint))
            .header("Content-Type", content_type);
        answer(request.send(body).expect("there is an answer")).expect("it can be read")
    }

    pub fn token(&self, app: &str, form: &[(&str, &str)]) -> Answer {
        self.try_token(app, form).expect("there is an answer")
    }

    pub fn try_token(&self, app: &str, form: &[(&str, &str)]) -> Result<Answer, ureq::Error> {
        let mut form = form.to_vec();
        form.push(("client_id", app));
        match app {
            "web" => form.push(("client_secret", "s3cret")),
            "machine" => form.push(("client_secret", "m")),
            _ => {}
        }
        self.try_post("/oidc/token", &form, &[])
    }

    pub fn exchange(&self, app: &str, code: &str, more: &[(&str, &str)]) -> Answer {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        form.extend_from_slice(more);
        self.token(app, &form)
    }

    pub fn refresh(&self, app: &str, token: &str, more: &[(&str, &str)]) -> Answer {
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        form.extend_from_slice(more);
        self.token(app, &form)
    }

    pub fn user_info(&self, token: &str) -> Answer {
        self.get_with("/oidc/me", &[("Authorization", &format!("Bearer {token}"))])
    }
}

fn answer(mut response: ureq::http::Response<ureq::Body>) -> Result<Answer, ureq::Error> {
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or("").to_owned()))
        .collect();
    Ok(Answer {
        status: response.status().as_u16(),
        headers,
        text: response.body_mut().read_to_string()?,
    })
}

/// A sign-in URL with PKCE, consent and everything that the application may ask for.
pub fn sign_in_url(fake: &FakeLogto, app: &str, more: &[(&str, &str)]) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, VERIFIER.as_bytes()));
    let mut params = vec![
        ("client_id", app),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("state", "st-1"),
    ];
    if !more.iter().any(|(name, _)| *name == "scope") {
        params.push(("scope", ALL_SCOPES));
        params.push(("resource", API));
        params.push(("resource", "urn:logto:resource:organizations"));
    }
    if !more.iter().any(|(name, _)| *name == "prompt") {
        params.push(("prompt", "consent"));
    }
    params.extend_from_slice(more);
    let url = format!("{}/oidc/auth", fake.endpoint());
    Url::parse_with_params(&url, params)
        .expect("a URL")
        .to_string()
}

/// A value in the query of a URL.
pub fn in_query(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).expect("a URL");
    let found = url.query_pairs().find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned())
}

pub fn code(fake: &FakeLogto, app: &str, more: &[(&str, &str)]) -> String {
    let callback = fake.authorize(&sign_in_url(fake, app, more));
    in_query(&callback, "code").expect(&callback)
}

/// Signs in, and gives the token response.
pub fn tokens(fake: &FakeLogto, app: &str, more: &[(&str, &str)]) -> Value {
    let code = code(fake, app, more);
    Http::new(fake).exchange(app, &code, &[]).ok()
}

pub fn text<'a>(body: &'a Value, member: &str) -> &'a str {
    body[member].as_str().unwrap_or_else(|| panic!("{body}"))
}

/// Header and claims.
pub fn decode(token: &str) -> (Value, Value) {
    let part = |index| {
        let part: &str = token.split('.').nth(index).expect("three parts");
        let json = URL_SAFE_NO_PAD.decode(part).expect("base64url");
        serde_json::from_slice(&json).expect("JSON")
    };
    (part(0), part(1))
}

/// Whether a key of the set that the token names has signed it; None if there is no such key.
pub fn verify(http: &Http, token: &str) -> Option<bool> {
    let keys = http.get("/oidc/jwks").ok();
    let (header, _) = decode(token);
    let key = keys["keys"]
        .as_array()?
        .iter()
        .find(|key| key["kid"] == header["kid"])?;
    let mut point = vec![4];
    for coordinate in ["x", "y"] {
        point.extend(URL_SAFE_NO_PAD.decode(text(key, coordinate)).ok()?);
    }
    let (message, signature) = token.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point);
    Some(key.verify(message.as_bytes(), &signature).is_ok())
}

pub fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}
