//! Proxies: the agent's own, and the environment's.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread;

use logto::{LogtoError, OidcCore, UreqClient};

use crate::raw::RawServer;
use crate::tls::{TlsLogto, trusting};

const ORIGIN: &str = "https://logto.example.com";

/// A proxy that connects to this address, whatever it is asked for.
fn proxy(to: SocketAddr) -> RawServer {
    RawServer::start(move |client| {
        use std::io::Write as _;

        let server = TcpStream::connect(to).unwrap();
        client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
        let (mut from_client, mut to_server) =
            (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || io::copy(&mut from_client, &mut to_server));
        // Either end may close first.
        let _ = io::copy(&mut &server, client);
    })
}

#[test]
fn a_proxy_of_the_agent_is_used() {
    let (logto, address) = TlsLogto::start(|_| ORIGIN.to_owned());
    let proxy = proxy(address);
    let config = ureq::Agent::config_builder()
        .proxy(Some(ureq::Proxy::new(&proxy.url()).unwrap()))
        .tls_config(trusting(&logto.root_pem))
        .build();
    logto
        .sign_in(UreqClient::with_agent(config.into()))
        .unwrap();
    assert_eq!(logto.requests(), 4);
    proxy.has_read(4, "one a connection");
}

#[test]
fn a_proxy_that_refuses_is_told_apart_and_sees_no_secret() {
    let (logto, _) = TlsLogto::start(|_| ORIGIN.to_owned());
    let proxy = RawServer::with("HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
    let url = proxy.url().replace("http://", "http://user:hunter2@");
    let config = ureq::Agent::config_builder()
        .proxy(Some(ureq::Proxy::new(&url).unwrap()))
        .build();
    let error = logto
        .sign_in(UreqClient::with_agent(config.into()))
        .unwrap_err();
    let LogtoError::Http(http) = &error else {
        panic!("{error:?}");
    };
    assert!(!http.may_have_been_sent(), "{error:?}");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    proxy.has_read(1, "not tried again");
}

/// Does nothing by itself: the tests start this in processes with an environment of their own.
#[test]
fn process_that_asks_by_the_environment() {
    if let Ok(url) = std::env::var("TRANSPORT_DISCOVERY_URL") {
        OidcCore::fetch_provider_metadata(&url).unwrap_err();
    }
}

/// Which hosts a process with these variables asks a proxy for, when it asks for this URL.
fn asked_of_proxy(url: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let proxy = RawServer::with("HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n");
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "proxy::process_that_asks_by_the_environment"]);
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
        child.env_remove(name).env_remove(name.to_lowercase());
    }
    child.env("TRANSPORT_DISCOVERY_URL", url);
    for (name, value) in variables {
        child.env(name, value.replace("{proxy}", &proxy.url()));
    }
    let output = child.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let requests = proxy.recorded();
    let line = |request: &String| request.lines().next().unwrap().to_owned();
    requests.iter().map(line).collect()
}

#[test]
fn the_proxy_of_the_environment_is_used_except_for_this_machine() {
    let url = "https://logto.invalid/oidc";
    let asked = ["CONNECT logto.invalid:443 HTTP/1.1"];
    let dead = "http://127.0.0.1:9";
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"] {
        assert_eq!(asked_of_proxy(url, &[(name, "{proxy}")]), asked, "{name}");
    }
    let first = [("ALL_PROXY", "{proxy}"), ("HTTPS_PROXY", dead)];
    assert_eq!(asked_of_proxy(url, &first), asked);
    let none: [&str; 0] = [];
    for exception in ["logto.invalid", ".invalid", "*"] {
        let variables = [("HTTPS_PROXY", "{proxy}"), ("NO_PROXY", exception)];
        assert_eq!(asked_of_proxy(url, &variables), none, "{exception}");
    }
    for local in ["http://127.0.0.1:9/oidc", "https://localhost:9/oidc"] {
        let variables = [("ALL_PROXY", "{proxy}")];
        assert_eq!(asked_of_proxy(local, &variables), none, "{local}");
    }
}
