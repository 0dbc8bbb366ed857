//! Back-channel logout.

use super::FakeLogto;
use crate::app::FakeApp;
use crate::courier::{self, LogoutDelivery};
use crate::logout_token::LogoutToken;
use crate::provider::backchannel_logout;

/// Back-channel logout.
///
/// When a user signs out of the server, every application that they had signed in to with that
/// browser, and that has registered a URI, is sent a logout token.
impl FakeLogto {
    /// Registers, or replaces, the URI that the application is told at.
    ///
    /// # Panics
    ///
    /// If there is no application with this id.
    pub fn set_backchannel_logout_uri(&self, app: &str, uri: impl Into<String>) {
        let app = &self.app(app).id;
        self.provider.courier().set_uri(app, uri.into());
    }

    /// Ends all browser sessions of the user, as an administrator does it, and tells the
    /// applications.
    pub fn end_sessions(&self, user: &str) {
        let ended = self
            .provider
            .store()
            .change(|kept| kept.grants.end_sessions_of(user));
        for session in &ended {
            backchannel_logout::announce(&self.provider, session);
        }
    }

    /// What the server has sent by itself so far. It is sent in the background; this waits until
    /// all of it is answered, or has failed.
    pub fn logout_deliveries(&self) -> Vec<LogoutDelivery> {
        self.provider.courier().deliveries()
    }

    /// A logout token for the application, saying that the user's latest session has ended. It ends
    /// nothing, and is sent nowhere.
    ///
    /// ```
    /// # let fake = logto_testing::FakeLogto::start();
    /// let token = fake.logout_token(fake.app_id(), "alice").sign();
    ///
    /// let expired = fake
    ///     .logout_token(fake.app_id(), "alice")
    ///     .tamper(|_header, claims| {
    ///         claims.insert("exp".to_owned(), 7.into());
    ///     })
    ///     .sign();
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no application with this id.
    pub fn logout_token(&self, app: &str, user: &str) -> LogoutToken<'_> {
        let app = self.app(app);
        let sid = {
            let kept = self.provider.store().read();
            kept.grants.sid(&app.id, user).map(str::to_owned)
        };
        backchannel_logout::logout_token(&self.provider, app, user, sid.as_deref())
    }

    /// Sends this to the application as its logout token, and waits for the answer.
    ///
    /// # Panics
    ///
    /// If there is no application with this id, or it has registered no URI.
    pub fn deliver_logout_token(&self, app: &str, token: &str) -> LogoutDelivery {
        let app = &self.app(app).id;
        let uri = self.provider.courier().uri(app);
        let uri = uri.unwrap_or_else(|| panic!("{app} has no URI for back-channel logout"));
        courier::deliver(app.clone(), uri, token.to_owned())
    }

    fn app(&self, id: &str) -> &FakeApp {
        let app = self.provider.app(id);
        app.unwrap_or_else(|| panic!("there is no application {id:?}"))
    }
}
