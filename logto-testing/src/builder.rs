//! Setting up a fake server.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::algorithm::SigningAlgorithm;
use crate::app::FakeApp;
use crate::clock::{TestClock, milliseconds};
use crate::fake::FakeLogto;
use crate::http::{Server, bind};
use crate::people::People;
use crate::provider::{Provider, Resource, Setup};
use crate::store::Store;
use crate::user::FakeUser;

const MANAGEMENT_API: &str = "https://default.logto.app/api";

/// Sets up a [`FakeLogto`].
///
/// ```
/// use logto_testing::{FakeApp, FakeLogto, FakeUser};
///
/// let fake = FakeLogto::builder()
///     .app(FakeApp::native("desktop"))
///     .user(FakeUser::new("alice").email("alice@example.test"))
///     .user(FakeUser::new("bob"))
///     .resource("https://api.example.test", ["read:items", "write:items"])
///     .start();
/// assert_eq!(fake.app_id(), "desktop");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct FakeLogtoBuilder {
    port: u16,
    users: Vec<FakeUser>,
    apps: Vec<FakeApp>,
    resources: Vec<Resource>,
    login_page: bool,
    state_file: Option<PathBuf>,
    signing_algorithm: SigningAlgorithm,
    clock: TestClock,
    access_token_lifetime: Duration,
    keep_alive: Duration,
}

impl FakeLogtoBuilder {
    /// Sets the port on 127.0.0.1. Default: 0, for any free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Adds a user; the first one is the one who signs in. Default: one user, `alice`, whose name
    /// is Alice Example.
    pub fn user(mut self, user: FakeUser) -> Self {
        self.users.push(user);
        self
    }

    /// Adds an application. Default: one web application, `fake-app` with the secret
    /// `fake-secret`.
    pub fn app(mut self, app: FakeApp) -> Self {
        self.apps.push(app);
        self
    }

    /// Adds an API resource with its scopes. Default: none but that of the Management API,
    /// `https://default.logto.app/api` with the scope `all`, which every Logto server has.
    pub fn resource<S: Into<String>>(
        mut self,
        indicator: impl Into<String>,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        self.resources.push(Resource {
            indicator: indicator.into(),
            scopes: scopes.into_iter().map(Into::into).collect(),
        });
        self
    }

    /// Whether signing in shows a page where a person chooses one of the users by a click, or turns
    /// back, for demos and for tests in a real browser. Default: false; the user who is next is signed in at once.
    pub fn login_page(mut self, login_page: bool) -> Self {
        self.login_page = login_page;
        self
    }

    /// Keeps the signing keys, the sessions and the tokens in this file, so that they are good
    /// after a restart on the same port. It is rewritten at each change, and holds the private
    /// keys as they are. Default: none; they end with the server.
    pub fn state_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_file = Some(path.into());
        self
    }

    /// Sets what tokens are signed with. Default: ES384, as at Logto. A state file that is there
    /// already has its own keys.
    ///
    /// The RSA keys are always the same few, which this crate's source shows to everyone.
    pub fn signing_algorithm(mut self, algorithm: SigningAlgorithm) -> Self {
        self.signing_algorithm = algorithm;
        self
    }

    /// Sets the clock that all lifetimes follow. Default: a new one, with the system's time.
    pub fn clock(mut self, clock: TestClock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets how long access tokens live, in whole seconds. Default: an hour.
    pub fn access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.access_token_lifetime = lifetime;
        self
    }

    /// Sets after what time an idle connection is closed; that time is real. Default: 5 s, as
    /// Logto does it.
    pub fn keep_alive(mut self, time: Duration) -> Self {
        self.keep_alive = time;
        self
    }

    /// Starts the server.
    ///
    /// # Errors
    ///
    /// If the port is taken, or the state file can't be read or written.
    pub fn build(self) -> io::Result<FakeLogto> {
        let listener = bind(self.port)?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let store = Store::open(
            self.state_file,
            self.signing_algorithm,
            milliseconds(&self.clock),
        )?;
        let setup = Setup {
            issuer: format!("{endpoint}/oidc"),
            apps: or_default(self.apps, default_app),
            resources: with_management_api(self.resources),
            login_page: self.login_page,
            access_token_lifetime: self.access_token_lifetime,
            clock: self.clock,
        };
        let people = People::new(or_default(self.users, default_user));
        let provider = Arc::new(Provider::new(setup, store, people));
        let server = Server::start(listener, Arc::clone(&provider) as _, self.keep_alive)?;
        Ok(FakeLogto::new(endpoint, provider, server))
    }

    /// The same for tests, where there is nothing to be done about a failure.
    ///
    /// # Panics
    ///
    /// Where [`build`](Self::build) fails.
    pub fn start(self) -> FakeLogto {
        self.build().expect("the fake server starts")
    }
}

impl Default for FakeLogtoBuilder {
    fn default() -> Self {
        Self {
            port: 0,
            users: Vec::new(),
            apps: Vec::new(),
            resources: Vec::new(),
            login_page: false,
            state_file: None,
            signing_algorithm: SigningAlgorithm::default(),
            clock: TestClock::new(),
            access_token_lifetime: Duration::from_secs(3600),
            keep_alive: Duration::from_secs(5),
        }
    }
}

fn or_default<T>(given: Vec<T>, default: impl FnOnce() -> T) -> Vec<T> {
    if given.is_empty() {
        return vec![default()];
    }
    given
}

fn with_management_api(mut resources: Vec<Resource>) -> Vec<Resource> {
    let known = |resource: &Resource| resource.indicator == MANAGEMENT_API;
    if !resources.iter().any(known) {
        resources.push(Resource {
            indicator: MANAGEMENT_API.to_owned(),
            scopes: vec!["all".to_owned()],
        });
    }
    resources
}

fn default_user() -> FakeUser {
    FakeUser::new("alice")
        .name("Alice Example")
        .email("alice@example.test")
}

fn default_app() -> FakeApp {
    FakeApp::web("fake-app", "fake-secret")
}
