//! The Logto server that the users sign in at: yours, or a fake one in this process.

use std::io::{self, ErrorKind};

use logto::{LogtoConfig, Scope, UserInfoScope};
use logto_testing::{FakeApp, FakeLogto, FakeLogtoBuilder, FakeUser};
use serde_json::json;

use crate::Failure;
use crate::settings::{Settings, port, variable};

const FAKE_PORT: u16 = 3001;
const FAKE_APP_ID: &str = "quickstart";
const FAKE_APP_SECRET: &str = "not-a-secret";
const FAKE_RESOURCE: &str = "https://api.example.com";
const FAKE_SCOPES: [&str; 2] = ["read:items", "write:items"];

pub struct LogtoServer {
    pub config: LogtoConfig,
    /// It runs for as long as it is kept.
    fake: Option<FakeLogto>,
}

impl LogtoServer {
    pub fn from_env(settings: &Settings) -> Result<Self, Failure> {
        let names = ["LOGTO_ENDPOINT", "LOGTO_APP_ID", "LOGTO_APP_SECRET"];
        match names.into_iter().any(|name| variable(name).is_some()) {
            true => Self::real(),
            false => Self::fake(settings),
        }
    }

    fn real() -> Result<Self, Failure> {
        let config = LogtoConfig::from_env()?;
        if config.app_secret.is_none() {
            return Err(
                "the environment variable LOGTO_APP_SECRET is not set: the secret of a \
                 \"Traditional web\" application in the Logto Console"
                    .into(),
            );
        }
        let scopes = variable("LOGTO_SCOPES").unwrap_or_default();
        Ok(Self {
            config: with_scopes(config)
                .resources(variable("LOGTO_RESOURCE"))
                .scopes(scopes.split_whitespace()),
            fake: None,
        })
    }

    fn fake(settings: &Settings) -> Result<Self, Failure> {
        let port = port("QUICKSTART_FAKE_PORT", FAKE_PORT)?;
        let fake = start_fake(settings, port)
            .map_err(|error| format!("the fake Logto server does not start: {error}"))?;
        let config = LogtoConfig::new(fake.endpoint(), fake.app_id()).app_secret(fake.app_secret());
        Ok(Self {
            config: with_scopes(config)
                .resources([FAKE_RESOURCE])
                .scopes(FAKE_SCOPES.map(Scope::from)),
            fake: Some(fake),
        })
    }

    /// What a person calls the server.
    pub fn name(&self) -> String {
        match self.fake {
            Some(_) => format!("a fake Logto server at {}", self.config.endpoint),
            None => self.config.endpoint.clone(),
        }
    }

    /// Tells the person who started this program what it uses, and what a real server must know.
    pub fn introduce(&self, settings: &Settings) {
        let whose = match self.fake {
            Some(_) => {
                "Set LOGTO_ENDPOINT, LOGTO_APP_ID and LOGTO_APP_SECRET to use your own, where"
            }
            None => "There,",
        };
        println!("Users sign in at {}.", self.name());
        println!("{whose} the application must have these, in the Logto Console:");
        println!("  Redirect URI                {}", settings.redirect_uri());
        println!(
            "  Post sign-out redirect URI  {}",
            settings.post_sign_out_uri()
        );
    }
}

fn with_scopes(config: LogtoConfig) -> LogtoConfig {
    config.scopes([UserInfoScope::Email, UserInfoScope::CustomData])
}

fn start_fake(settings: &Settings, port: u16) -> io::Result<FakeLogto> {
    let builder = fake_builder(settings);
    match builder.clone().port(port).build() {
        Err(error) if error.kind() == ErrorKind::AddrInUse => builder.build(),
        result => result,
    }
}

fn fake_builder(settings: &Settings) -> FakeLogtoBuilder {
    let alice = FakeUser::new("alice")
        .name("Alice Example")
        .email("alice@example.com")
        .custom_data(json!({ "plan": "free" }));
    let bob = FakeUser::new("bob").permissions(["read:items"]);
    let app = FakeApp::web(FAKE_APP_ID, FAKE_APP_SECRET)
        .redirect_uri(settings.redirect_uri())
        .post_logout_redirect_uri(settings.post_sign_out_uri());
    FakeLogto::builder()
        .app(app)
        .user(alice)
        .user(bob)
        .resource(FAKE_RESOURCE, FAKE_SCOPES)
        .login_page(variable("QUICKSTART_LOGIN_PAGE").is_some_and(|value| value != "0"))
        .state_file(settings.fake_server_state())
}
