//! A fake Logto server in this process, and a user who has signed in there.

use logto::storage::MemoryStorage;
use logto::{AccessTokenRequest, LogtoClient, LogtoConfig, UserInfoScope};
use logto_testing::{FakeLogto, FakeUser};

use crate::Failure;

const ORGANIZATION: &str = "org_1";

pub struct Fake {
    server: FakeLogto,
    resource: String,
}

impl Fake {
    pub fn start(resource: &str) -> Result<Self, Failure> {
        let alice = FakeUser::new("alice").organization(ORGANIZATION, "Acme", ["member"]);
        let server = FakeLogto::builder()
            .user(alice)
            .resource(resource, ["read:orders"])
            .build()?;
        Ok(Self {
            server,
            resource: resource.to_owned(),
        })
    }

    pub fn endpoint(&self) -> &str {
        self.server.endpoint()
    }

    /// Prints what to paste.
    pub fn introduce(&self, url: &str) -> Result<(), Failure> {
        let client = self.signed_in()?;
        let request = AccessTokenRequest::from(self.resource.as_str());
        for (path, request) in [
            ("/orders".to_owned(), request),
            (
                format!("/organizations/{ORGANIZATION}/orders"),
                request.organization(ORGANIZATION),
            ),
        ] {
            let token = client.access_token(request)?.ok_or("there is no token")?;
            println!("curl -i -H 'Authorization: Bearer {token}' {url}{path}");
        }
        Ok(())
    }

    /// What the program is that calls this API: a web or desktop application.
    fn signed_in(&self) -> Result<LogtoClient, Failure> {
        let server = &self.server;
        let config = LogtoConfig::new(server.endpoint(), server.app_id())
            .app_secret(server.app_secret())
            .resources([&self.resource])
            .scopes([UserInfoScope::Organizations])
            .scopes(["read:orders"]);
        let client = LogtoClient::new(config, MemoryStorage::new())?;
        let sign_in = client.sign_in("http://localhost:3000/callback")?;
        client.handle_sign_in_callback(&server.authorize(&sign_in))?;
        Ok(client)
    }
}
