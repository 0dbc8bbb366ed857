//! Nothing is sent to where it was not meant to go.

use logto::{DiscoveryError, Logto, LogtoConfig, LogtoError, ResponseError, UreqClient};
use logto_testing::{Endpoint, FakeLogto};

use crate::place::{Place, patient};
use crate::raw::RawServer;

fn redirect(status: u16, location: &str) -> RawServer {
    RawServer::with(format!(
        "HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    ))
}

fn is_not_followed(place: Place, status: u16, http: UreqClient) {
    let elsewhere = RawServer::with("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let server = redirect(status, &format!("{}/trap", elsewhere.url()));
    let error = place.ask(http, &server.url());
    let is_redirect = matches!(&error, LogtoError::Response(error)
        if matches!(**error, ResponseError::Redirect { status: s, .. } if s == status));
    assert!(is_redirect, "{place:?}, {status}: {error:?}");
    server.has_read(1, &format!("{place:?}, {status}"));
    assert_eq!(elsewhere.connections(), 0, "{place:?}, {status}");
}

#[test]
fn no_redirect_is_followed() {
    for place in Place::ALL {
        for status in [301, 302, 303, 307, 308] {
            is_not_followed(place, status, patient());
        }
    }
}

#[test]
fn an_agent_that_follows_redirects_does_not_do_so_here() {
    let config = ureq::Agent::config_builder()
        .max_redirects(10)
        .redirect_auth_headers(ureq::config::RedirectAuthHeaders::SameHost)
        .http_status_as_error(true);
    let agent = ureq::Agent::from(config.build());
    for place in Place::ALL {
        is_not_followed(place, 307, UreqClient::with_agent(agent.clone()));
    }
}

#[test]
fn metadata_cannot_send_a_secret_in_clear() {
    for name in [
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "revocation_endpoint",
        "end_session_endpoint",
    ] {
        let fake = FakeLogto::start();
        fake.tamper_response(Endpoint::Discovery, move |metadata| {
            metadata[name] = "http://logto.example.com/x".into();
        });
        let config = LogtoConfig::new(fake.endpoint(), "app");
        let logto = Logto::builder(config.clone()).build().unwrap();
        let error = logto.oidc_core().unwrap_err();
        let is_insecure = matches!(error, LogtoError::Discovery(
            DiscoveryError::InsecureEndpoint { name: n, .. }) if n == name);
        assert!(is_insecure, "{name}: {error:?}");
        assert_eq!(fake.requests().len(), 1, "{name}");
        let dangerous = Logto::builder(config).dangerous().allow_insecure_http();
        dangerous.build().unwrap().oidc_core().unwrap();
    }
}
