//! The Logto server that the user signs in at: yours, or a fake one in this process.

use logto::storage::{FileStorage, MemoryStorage};
use logto::{EncryptionKey, LogtoClient, LogtoConfig, Scope, Secret, UserInfoScope};
use logto_testing::{FakeApp, FakeLogto, FakeUser};
use serde_json::json;

use crate::Failure;
use crate::demo_picture::DemoPicture;
use crate::settings::{passphrase, session_folder, variable};

const FAKE_RESOURCE: &str = "https://api.example.com";
const FAKE_SCOPES: [&str; 2] = ["read:items", "write:items"];

pub struct LogtoServer {
    pub config: LogtoConfig,
    /// They run for as long as they are kept.
    fake: Option<(FakeLogto, DemoPicture)>,
}

impl LogtoServer {
    pub fn from_env() -> Result<Self, Failure> {
        match ["LOGTO_ENDPOINT", "LOGTO_APP_ID"]
            .into_iter()
            .any(|name| variable(name).is_some())
        {
            true => Self::real(),
            false => Self::fake(),
        }
    }

    fn real() -> Result<Self, Failure> {
        let scopes = variable("LOGTO_SCOPES").unwrap_or_default();
        Ok(Self {
            config: LogtoConfig::from_env()?
                .scopes([UserInfoScope::Email])
                .resources(variable("LOGTO_RESOURCE"))
                .scopes(scopes.split_whitespace()),
            fake: None,
        })
    }

    fn fake() -> Result<Self, Failure> {
        let picture = DemoPicture::serve()?;
        let fake = FakeLogto::builder()
            .app(FakeApp::native("window").redirect_uri("http://127.0.0.1/callback"))
            .user(alice(&picture))
            .user(a_long_name())
            .resource(FAKE_RESOURCE, FAKE_SCOPES)
            .login_page(true)
            .build()
            .map_err(|error| format!("the fake Logto server does not start: {error}"))?;
        Ok(Self {
            config: LogtoConfig::new(fake.endpoint(), fake.app_id())
                .scopes([UserInfoScope::Email])
                .resources([FAKE_RESOURCE])
                .scopes(FAKE_SCOPES.map(Scope::from)),
            fake: Some((fake, picture)),
        })
    }

    /// What a person calls the server, and where their session is.
    pub fn description(&self) -> String {
        let kept = match self.passphrase() {
            Some(_) => "in an encrypted file",
            None => "in memory, until the window closes",
        };
        let server = match self.fake {
            Some(_) => format!("a fake Logto at {}", self.config.endpoint),
            None => self.config.endpoint.clone(),
        };
        format!("Users sign in at {server}. The session is kept {kept}.")
    }

    /// What makes the client. Deriving the key from the passphrase takes a while.
    pub fn opener(&self) -> impl FnOnce() -> Result<LogtoClient, Failure> + Send + 'static {
        let (config, passphrase) = (self.config.clone(), self.passphrase());
        move || match passphrase {
            Some(passphrase) => {
                let file = session_folder(&config.endpoint, &config.app_id);
                let key = EncryptionKey::from_passphrase(passphrase)?;
                Ok(LogtoClient::new(config, FileStorage::open(file, &key)?)?)
            }
            None => Ok(LogtoClient::new(config, MemoryStorage::new())?),
        }
    }

    /// The sessions of a fake server end with it.
    fn passphrase(&self) -> Option<Secret> {
        passphrase().filter(|_| self.fake.is_none())
    }
}

fn alice(picture: &DemoPicture) -> FakeUser {
    FakeUser::new("alice")
        .name("Alice Example")
        .username("alice")
        .email("alice@example.com")
        .picture(picture.url())
        .custom_data(json!({ "plan": "free" }))
}

/// A user without a picture, who shows what does not fit.
fn a_long_name() -> FakeUser {
    FakeUser::new("wolfeschlegelsteinhausenbergerdorff")
        .name("Hubert Blaine Wolfeschlegelsteinhausenbergerdorff, known to everybody as Hubert")
        .email("hubert.blaine.wolfeschlegelsteinhausenbergerdorff@department.of.long.names.example.com")
        .permissions(["read:items"])
}
