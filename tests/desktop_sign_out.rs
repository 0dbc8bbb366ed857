//! Signing out of a desktop program.

#![cfg(feature = "desktop")]

mod support;

use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use logto::desktop::{self, Cancel, DesktopSignOut, DesktopSignOutOptions};
use logto::storage::MemoryStorage;
use logto::{LogtoClient, LogtoConfig, Revocation};
use logto_testing::{Endpoint, FakeLogto};
use support::browser::Browser;
use support::desktop::{Attempt, LONG, client, fake, is_closed, open, parameter, port_of};
use support::provider::{ALICE, NATIVE_CLIENT, Provider};

fn signed_in(fake: &FakeLogto) -> LogtoClient {
    let client = client(fake);
    Attempt::start(&client).succeed(fake);
    client
}

fn sign_out(client: &LogtoClient, options: &DesktopSignOutOptions) -> DesktopSignOut {
    let signed_out = desktop::sign_out(client, options).unwrap();
    assert!(matches!(signed_out.revocation, Revocation::Revoked));
    assert!(!client.is_authenticated().unwrap());
    assert_eq!(client.refresh_token().unwrap(), None);
    signed_out
}

#[test]
fn a_sign_out_ends_the_session_here_and_there() {
    let fake = Arc::new(fake());
    let client = signed_in(&fake);
    let browser = Arc::clone(&fake);
    let options = DesktopSignOutOptions::new().open_with(move |url| {
        browser.sign_out(url);
        Ok(())
    });
    let signed_out = sign_out(&client, &options);
    assert!(signed_out.is_browser_opened && !signed_out.has_returned);
    assert_eq!(fake.requests_to(Endpoint::Revocation).len(), 1);
    assert!(!signed_out.url.expose().contains("post_logout_redirect_uri"));
    assert!(!format!("{signed_out:?}").contains("id_token_hint"));
}

#[test]
fn a_browser_can_come_back_after_a_sign_out() {
    let fake = Arc::new(fake());
    let client = signed_in(&fake);
    let (sender, pages) = mpsc::channel();
    let browser = Arc::clone(&fake);
    let options = DesktopSignOutOptions::new()
        .return_to("/signed-out")
        .timeout(LONG)
        .open_with(move |url| {
            let back = browser.sign_out(url);
            let forged = format!("{}?state=evil", back.split('?').next().unwrap());
            sender.send([open(&forged), open(&back)]).unwrap();
            Ok(())
        });
    let signed_out = sign_out(&client, &options);
    assert!(signed_out.is_browser_opened && signed_out.has_returned);
    let [forged, page] = pages.recv_timeout(LONG).unwrap();
    assert!(forged.starts_with("HTTP/1.1 400 "), "{forged}");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("You are signed out"));
    let back = parameter(signed_out.url.expose(), "post_logout_redirect_uri");
    assert!(is_closed(port_of(&back)));
}

#[test]
fn a_real_provider_sends_the_browser_back_to_any_port() {
    let provider = Provider::start();
    let config = LogtoConfig::new(provider.endpoint(), NATIVE_CLIENT);
    let client = LogtoClient::new(config, MemoryStorage::new()).unwrap();
    let attempt = Attempt::start(&client);
    let mut browser = Browser::new();
    open(&browser.sign_in(&attempt.url, ALICE));
    attempt.result().unwrap();

    let browser = Mutex::new(browser);
    let options = DesktopSignOutOptions::new()
        .return_to("/")
        .timeout(LONG)
        .open_with(move |url| {
            open(&browser.lock().unwrap().sign_out(url));
            Ok(())
        });
    assert!(sign_out(&client, &options).has_returned);
}

#[test]
fn a_sign_out_does_not_need_a_browser() {
    let fake = fake();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    for options in [
        DesktopSignOutOptions::new(),
        DesktopSignOutOptions::new().return_to("/"),
        DesktopSignOutOptions::new().return_to("/").ports([port]),
    ] {
        let (sender, shown) = mpsc::channel();
        let options = options
            .without_browser()
            .show_url(move |url| sender.send(url.to_owned()).unwrap());
        let signed_out = sign_out(&signed_in(&fake), &options);
        assert!(!signed_out.is_browser_opened && !signed_out.has_returned);
        let shown = shown.try_recv().unwrap();
        assert_eq!(shown, signed_out.url.expose());
        // Nobody waits any more for who opens it now.
        assert!(!shown.contains("post_logout_redirect_uri") && !shown.contains("state"));
        assert!(!parameter(&shown, "id_token_hint").is_empty());
    }
}

#[test]
fn a_browser_that_does_not_come_back_keeps_nobody_signed_in() {
    let fake = fake();
    let cancel = Cancel::new();
    cancel.cancel();
    for options in [
        DesktopSignOutOptions::new().timeout(Duration::from_millis(50)),
        DesktopSignOutOptions::new().cancel(&cancel),
    ] {
        let options = options.return_to("/").open_with(|_| Ok(()));
        assert!(!sign_out(&signed_in(&fake), &options).has_returned);
    }
}
