//! The places where the client asks a server, each of which can be another server.

use std::time::Duration;

use logto::storage::MemoryStorage;
use logto::{HttpClient, HttpError, Logto, LogtoConfig, LogtoError, Revocation, UreqClient};
use logto_testing::{Endpoint, FakeApp, FakeLogto};

const REDIRECT_URI: &str = "http://localhost:3000/callback";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Discovery,
    Keys,
    Code,
    Refresh,
    UserInfo,
    Revocation,
}

impl Place {
    pub const ALL: [Self; 6] = [
        Self::Discovery,
        Self::Keys,
        Self::Code,
        Self::Refresh,
        Self::UserInfo,
        Self::Revocation,
    ];

    /// The most that is read of an answer, in bytes.
    pub fn limit(self) -> u64 {
        match self {
            Self::Discovery | Self::Keys => 1024 * 1024,
            _ => 256 * 1024,
        }
    }

    /// How often a request is made whose answer gets lost.
    pub fn tries(self) -> usize {
        match self {
            Self::Refresh => 2,
            _ => 1,
        }
    }

    fn member(self) -> &'static str {
        match self {
            Self::Discovery => unreachable!("that is where the members come from"),
            Self::Keys => "jwks_uri",
            Self::Code | Self::Refresh => "token_endpoint",
            Self::UserInfo => "userinfo_endpoint",
            Self::Revocation => "revocation_endpoint",
        }
    }

    /// What comes of it when the server at `url` is asked here with this client, and a good one
    /// everywhere else by a patient client. The session is what it was afterwards.
    pub fn ask(self, http: UreqClient, url: &str) -> LogtoError {
        let http = Split {
            url: url.to_owned(),
            there: http,
            elsewhere: patient(),
        };
        if self == Self::Discovery {
            let logto = Logto::builder(LogtoConfig::new(url, "app"));
            let logto = logto.http_client(http).build().unwrap();
            return logto.oidc_core().unwrap_err();
        }
        let fake = FakeLogto::builder().app(FakeApp::native("app")).start();
        let clock = fake.clock();
        clock.freeze();
        let storage = MemoryStorage::new();
        let client = |http: Split| {
            let config = LogtoConfig::new(fake.endpoint(), "app");
            let logto = Logto::builder(config).clock(clock.clone());
            let logto = logto.http_client(http).build().unwrap();
            logto.client(storage.clone())
        };
        let first = client(http.clone());
        let callback = fake.authorize(&first.sign_in(REDIRECT_URI).unwrap());
        let (member, url) = (self.member(), url.to_owned());
        let tamper = |fake: &FakeLogto| {
            fake.tamper_response(Endpoint::Discovery, move |metadata| {
                metadata[member] = url.clone().into();
            });
        };
        if matches!(self, Self::Keys | Self::Code) {
            tamper(&fake);
            let error = client(http).handle_sign_in_callback(&callback).unwrap_err();
            assert!(!first.is_authenticated().unwrap(), "{error:?}");
            return error;
        }
        first.handle_sign_in_callback(&callback).unwrap();
        tamper(&fake);
        let refresh_token = first.refresh_token().unwrap();
        let client = client(http);
        let error = match self {
            Self::Refresh => {
                clock.advance(Duration::from_secs(3600));
                client.access_token(None).unwrap_err()
            }
            Self::UserInfo => client.fetch_user_info().unwrap_err(),
            _ => match client.sign_out(None).unwrap().revocation {
                Revocation::Failed(error) => return error,
                other => panic!("{other:?}"),
            },
        };
        assert_eq!(first.refresh_token().unwrap(), refresh_token, "{error:?}");
        error
    }
}

/// Two clients, so that a short timeout concerns the one server only.
#[derive(Debug, Clone)]
struct Split {
    url: String,
    there: UreqClient,
    elsewhere: UreqClient,
}

impl HttpClient for Split {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
        body_limit: u64,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        match request.uri().to_string().starts_with(&self.url) {
            true => self.there.send(request, body_limit),
            false => self.elsewhere.send(request, body_limit),
        }
    }
}

/// Waits for as long as a slow machine needs.
pub fn patient() -> UreqClient {
    within(Duration::from_secs(60))
}

/// Gives up after this time.
pub fn within(time: Duration) -> UreqClient {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(time))
        .build();
    UreqClient::with_agent(config.into())
}
