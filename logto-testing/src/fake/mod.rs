//! The fake server, as a test holds it.

mod device;
mod keys;
mod logout;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::browser::Browser;
use crate::builder::FakeLogtoBuilder;
use crate::clock::{TestClock, milliseconds};
use crate::endpoint::Endpoint;
use crate::http::Server;
use crate::misbehaviour::Misbehaviour;
use crate::provider::Provider;
use crate::record::RecordedRequest;
use crate::user::FakeUser;

/// A Logto server in this process, on a port of 127.0.0.1. It stops when it is dropped.
///
/// The [crate's documentation](crate) has an example.
pub struct FakeLogto {
    endpoint: String,
    provider: Arc<Provider>,
    browser: Mutex<Browser>,
    server: Server,
}

/// Starting.
impl FakeLogto {
    /// Starts a server with one user, one web application and no resource, on a free port.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Sets up another server.
    pub fn builder() -> FakeLogtoBuilder {
        FakeLogtoBuilder::default()
    }

    pub(crate) fn new(endpoint: String, provider: Arc<Provider>, server: Server) -> Self {
        Self {
            endpoint,
            provider,
            browser: Mutex::default(),
            server,
        }
    }
}

/// What an application is configured with.
impl FakeLogto {
    /// The address of the server, such as `http://127.0.0.1:3001`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The issuer of its tokens.
    pub fn issuer(&self) -> &str {
        self.provider.issuer()
    }

    /// The id of the first application.
    pub fn app_id(&self) -> &str {
        &self.provider.apps()[0].id
    }

    /// The secret of the first application; empty if it has none.
    pub fn app_secret(&self) -> &str {
        self.provider.apps()[0]
            .secret
            .as_deref()
            .unwrap_or_default()
    }

    /// The server's clock, for the application to share and the test to move.
    pub fn clock(&self) -> TestClock {
        self.provider.clock().clone()
    }
}

/// Users and their browser.
impl FakeLogto {
    /// Plays the user's browser: opens the sign-in URL, follows the redirects, and returns the
    /// callback URL, which it does not open. It keeps its session for the next time. It uses no
    /// connection, so that misbehaviour of connections does not touch it.
    ///
    /// # Panics
    ///
    /// If the URL is not this server's, or is answered with an error page, which is in the message.
    pub fn authorize(&self, url: &str) -> String {
        self.visit(url)
    }

    /// The same for a sign-out URL: ends the browser's session, and returns where the browser is
    /// sent then.
    ///
    /// # Panics
    ///
    /// If the URL is not this server's, or is answered with an error page, which is in the message.
    pub fn sign_out(&self, url: &str) -> String {
        self.visit(url)
    }

    /// Lets this user sit down at the browser: the next sign-in is theirs. It ends all browser
    /// sessions; tokens that were issued stay good.
    ///
    /// # Panics
    ///
    /// If there is no user with this id.
    pub fn sign_in_as(&self, user: &str) {
        let mut people = self.provider.people();
        assert!(people.get(user).is_some(), "there is no user {user:?}");
        people.set_next(user);
        drop(people);
        self.provider
            .store()
            .change(|kept| kept.grants.end_all_sessions());
    }

    /// Adds a user, or changes the one of the same id: roles and memberships hold from the next
    /// token on.
    pub fn put_user(&self, user: FakeUser) {
        self.provider.people().put(user);
    }

    /// Removes a user: their tokens are refused from now on.
    pub fn remove_user(&self, id: &str) {
        self.provider.people().remove(id);
    }

    fn visit(&self, url: &str) -> String {
        let mut browser = self.browser.lock().unwrap_or_else(PoisonError::into_inner);
        let result = browser.visit(&self.provider, url);
        drop(browser);
        result.unwrap_or_else(|reason| panic!("the browser got stuck: {reason}"))
    }
}

/// What was asked.
impl FakeLogto {
    /// The requests so far, in the order in which they arrived; of very many the last 100 000.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.provider.requests().iter().cloned().collect()
    }

    /// The requests so far to this endpoint.
    pub fn requests_to(&self, endpoint: Endpoint) -> Vec<RecordedRequest> {
        self.provider
            .requests()
            .iter()
            .filter(|request| request.endpoint() == Some(endpoint))
            .cloned()
            .collect()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.provider.requests().clear();
    }

    /// How many TCP connections the server has accepted.
    pub fn connections(&self) -> u64 {
        self.server.connections()
    }

    /// Closes the TCP connections that are open now, as an idle server would.
    pub fn close_connections(&self) {
        self.server.close_connections();
    }
}

/// Grants.
impl FakeLogto {
    /// A token with which an application that may use token exchange acts for the user, once and
    /// within ten minutes: what Logto's Management API gives out at `POST /api/subject-tokens`. Its
    /// type is `urn:ietf:params:oauth:token-type:access_token`.
    ///
    /// # Panics
    ///
    /// If there is no user with this id.
    pub fn subject_token(&self, user: &str) -> String {
        let known = self.provider.people().get(user).is_some();
        assert!(known, "there is no user {user:?}");
        let now = milliseconds(self.provider.clock());
        self.provider
            .store()
            .change(|kept| kept.grants.subject_tokens.issue(user, now))
    }

    /// Ends every grant: no code, refresh token or opaque access token so far is good any more.
    pub fn revoke_grants(&self) {
        self.provider
            .store()
            .change(|kept| kept.grants.revoke_all());
    }
}

/// What goes wrong.
impl FakeLogto {
    /// Lets an endpoint misbehave until [`calm`](Self::calm), after what is planned for it by
    /// [`misbehave_times`](Self::misbehave_times).
    pub fn misbehave(&self, endpoint: Endpoint, misbehaviour: Misbehaviour) {
        self.provider
            .misbehaviours()
            .plan(endpoint, None, misbehaviour);
    }

    /// Lets an endpoint misbehave at so many requests, after what is planned for it already.
    pub fn misbehave_times(&self, endpoint: Endpoint, times: usize, misbehaviour: Misbehaviour) {
        self.provider
            .misbehaviours()
            .plan(endpoint, Some(times), misbehaviour);
    }

    /// Changes the header and the claims of ID tokens before they are signed, until
    /// [`calm`](Self::calm). With the algorithm `none` the signature is left empty.
    pub fn tamper_id_token(
        &self,
        tamper: impl Fn(&mut Map<String, Value>, &mut Map<String, Value>) + Send + Sync + 'static,
    ) {
        self.provider
            .misbehaviours()
            .tamper_id_token(Arc::new(tamper));
    }

    /// Changes the JSON that an endpoint answers, errors too, until [`calm`](Self::calm).
    pub fn tamper_response(
        &self,
        endpoint: Endpoint,
        tamper: impl Fn(&mut Value) + Send + Sync + 'static,
    ) {
        self.provider
            .misbehaviours()
            .tamper_response(endpoint, Arc::new(tamper));
    }

    /// Publishes this in place of the key set, until [`calm`](Self::calm); the server signs with
    /// its own key all the same.
    ///
    /// ```
    /// # let fake = logto_testing::FakeLogto::start();
    /// let mut keys = fake.jwks();
    /// keys["keys"][0]["use"] = "enc".into();
    /// fake.set_jwks(keys);
    /// ```
    pub fn set_jwks(&self, key_set: Value) {
        self.provider.misbehaviours().set_key_set(key_set);
    }

    /// Ends all misbehaviour and tampering.
    pub fn calm(&self) {
        *self.provider.misbehaviours() = Default::default();
    }
}

impl fmt::Debug for FakeLogto {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FakeLogto")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn can_be_shared_between_threads() {
        fn check<T: Send + Sync>() {}
        check::<FakeLogto>();
        check::<TestClock>();
    }
}
