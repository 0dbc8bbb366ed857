//! The applications that a fake server knows.

use url::{Host, Url};

/// An application registered at the fake server.
#[derive(Clone, Debug)]
pub struct FakeApp {
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
    pub(crate) kind: AppKind,
    redirect_uris: Vec<String>,
    post_logout_redirect_uris: Vec<String>,
    pub(crate) device_flow: bool,
    pub(crate) token_exchange: bool,
    organizations: Vec<(String, Vec<String>)>,
    pub(crate) backchannel_logout_uri: Option<String>,
    pub(crate) backchannel_logout_session_required: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AppKind {
    Web,
    Native,
    Machine,
}

impl FakeApp {
    /// A web application with a secret. Its refresh tokens stay the same when they are used, until
    /// 70 % of their fourteen days have passed.
    pub fn web(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self::new(id.into(), Some(secret.into()), AppKind::Web)
    }

    /// A desktop or mobile application: no secret, PKCE required, a new refresh token at every use.
    pub fn native(id: impl Into<String>) -> Self {
        Self::new(id.into(), None, AppKind::Native)
    }

    /// A machine-to-machine application, which signs in no one and gets its tokens by
    /// `client_credentials`.
    pub fn machine(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self::new(id.into(), Some(secret.into()), AppKind::Machine)
    }

    /// Registers a redirect URI. Default: none, and with none registered any is accepted.
    ///
    /// As at Logto, it must be repeated exactly, except that a native application may use any port
    /// on `http://127.0.0.1`.
    #[must_use]
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uris.push(uri.into());
        self
    }

    /// Registers a URI to return to after sign-out. Default: none, and with none registered any is
    /// accepted.
    #[must_use]
    pub fn post_logout_redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.post_logout_redirect_uris.push(uri.into());
        self
    }

    /// Makes it an application for the device flow: it has a user sign in on another device, and can send
    /// no browser to sign in, as at Logto, where an application has the one or the other. Default: it has
    /// the browser.
    #[must_use]
    pub fn device_flow(mut self) -> Self {
        self.device_flow = true;
        self
    }

    /// Lets the application exchange the tokens of users. Default: it may not.
    #[must_use]
    pub fn token_exchange(mut self) -> Self {
        self.token_exchange = true;
        self
    }

    /// Makes a machine-to-machine application a member of an organization, with these permissions in
    /// it. Default: of none.
    #[must_use]
    pub fn organization<P: Into<String>>(
        mut self,
        id: impl Into<String>,
        permissions: impl IntoIterator<Item = P>,
    ) -> Self {
        let permissions = permissions.into_iter().map(Into::into).collect();
        self.organizations.push((id.into(), permissions));
        self
    }

    /// Registers the URI that is told when a user signs out of the server, by `http`. Default: none.
    ///
    /// [`FakeLogto::set_backchannel_logout_uri`](crate::FakeLogto::set_backchannel_logout_uri) does it
    /// later, for an application that has to know the server before it knows its own address.
    #[must_use]
    pub fn backchannel_logout_uri(mut self, uri: impl Into<String>) -> Self {
        self.backchannel_logout_uri = Some(uri.into());
        self
    }

    /// Puts the claim `sid` into the application's ID tokens and logout tokens. Default: it is in
    /// neither.
    #[must_use]
    pub fn backchannel_logout_session_required(mut self) -> Self {
        self.backchannel_logout_session_required = true;
        self
    }

    fn new(id: String, secret: Option<String>, kind: AppKind) -> Self {
        Self {
            id,
            secret,
            kind,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            device_flow: false,
            token_exchange: false,
            organizations: Vec::new(),
            backchannel_logout_uri: None,
            backchannel_logout_session_required: false,
        }
    }

    /// The permissions in an organization, if the application is a member of it.
    pub(crate) fn organization_permissions(&self, id: &str) -> Option<&[String]> {
        let (_, permissions) = self.organizations.iter().find(|(known, _)| known == id)?;
        Some(permissions)
    }

    pub(crate) fn accepts_redirect_uri(&self, uri: &str) -> bool {
        match self.kind {
            AppKind::Machine => false,
            _ if self.device_flow => false,
            AppKind::Web => accepts(&self.redirect_uris, |registered| registered == uri),
            AppKind::Native => accepts(&self.redirect_uris, |registered| {
                registered == uri || differs_by_loopback_port(registered, uri)
            }),
        }
    }

    pub(crate) fn accepts_post_logout_redirect_uri(&self, uri: &str) -> bool {
        accepts(&self.post_logout_redirect_uris, |registered| {
            registered == uri
        })
    }
}

fn accepts(registered: &[String], matches: impl Fn(&str) -> bool) -> bool {
    registered.is_empty() || registered.iter().any(|uri| matches(uri))
}

fn differs_by_loopback_port(registered: &str, uri: &str) -> bool {
    let (Ok(mut registered), Ok(mut uri)) = (Url::parse(registered), Url::parse(uri)) else {
        return false;
    };
    let loopback = |url: &Url| match url.host() {
        Some(Host::Ipv4(address)) => url.scheme() == "http" && address.is_loopback(),
        _ => false,
    };
    loopback(&registered)
        && registered.set_port(None).is_ok()
        && uri.set_port(None).is_ok()
        && registered == uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_apps_may_use_any_port_on_127_0_0_1() {
        let app = FakeApp::native("a").redirect_uri("http://127.0.0.1:8765/callback");
        for accepted in [
            "http://127.0.0.1:8765/callback",
            "http://127.0.0.1:54321/callback",
            "http://127.0.0.1/callback",
        ] {
            assert!(app.accepts_redirect_uri(accepted), "{accepted}");
        }
        for refused in [
            "http://localhost:8765/callback",
            "http://[::1]:8765/callback",
            "http://127.0.0.1:8765/other",
            "http://127.0.0.1:8765/callback?x=1",
            "no URL",
        ] {
            assert!(!app.accepts_redirect_uri(refused), "{refused}");
        }
    }

    #[test]
    fn web_apps_must_use_a_registered_uri_if_there_is_one() {
        let app = FakeApp::web("a", "s");
        assert!(app.accepts_redirect_uri("http://localhost:3000/callback"));
        let app = app.redirect_uri("http://127.0.0.1:3000/callback");
        assert!(app.accepts_redirect_uri("http://127.0.0.1:3000/callback"));
        assert!(!app.accepts_redirect_uri("http://127.0.0.1:54321/callback"));
    }
}
