//! Signing in by a telephone, at a server that is not ours.

use crate::at_a_terminal::{end, start_with};
use crate::browser::Browser;
use crate::provider::{ALICE, ALICE_SUB, DEVICE_CLIENT, ORGANIZATION, Provider, RESOURCE};
use crate::scene::{PASSPHRASE, Scene, status, stderr, stdout};

#[test]
fn a_telephone_signs_in_by_the_code_that_the_terminal_shows() {
    let provider = Provider::start();
    let scene = Scene::new();
    let script = "exec \"$0\" \"$@\"";
    let mut session = start_with(&scene, script, &["login", "--device"], |command| {
        command
            .env("LOGTO_ENDPOINT", provider.endpoint())
            .env("LOGTO_APP_ID", DEVICE_CLIENT)
            .env("LOGTO_CLI_PASSPHRASE", PASSPHRASE);
    });
    session.exp_string("enter the code:").unwrap();
    let (_, code) = session.exp_regex("[A-Z]{4}-[A-Z]{4}").unwrap();
    let (_, uri) = session.exp_regex("http://\\S+user_code=\\S+").unwrap();
    assert!(uri.ends_with(&code), "{uri} {code}");
    session.exp_string(&as_bytes("█▀▀▀▀▀█")).unwrap();
    Browser::new().approve_device(&uri, ALICE);
    let (rest, code) = end(session);
    assert_eq!(code, 0, "{rest}");
    assert!(
        rest.contains("You are signed in as Alice Example"),
        "{rest}"
    );

    let run = |arguments: &[&str]| {
        let output = scene
            .command(arguments)
            .env("LOGTO_ENDPOINT", provider.endpoint())
            .env("LOGTO_APP_ID", DEVICE_CLIENT)
            .output()
            .unwrap();
        assert_eq!(status(&output), 0, "{arguments:?}: {}", stderr(&output));
        stdout(&output).to_owned()
    };
    assert!(run(&["whoami"]).contains(ALICE_SUB));
    for arguments in [["--resource", RESOURCE], ["--organization", ORGANIZATION]] {
        let token = run(&["token", arguments[0], arguments[1]]);
        assert_eq!(token.split('.').count(), 3, "{arguments:?}");
    }
    run(&["logout"]);
    let stats = provider.stats();
    assert_eq!(stats.count("/oidc/token/revocation"), 1, "{stats:?}");
}

/// As the terminal is read: each byte is a character.
fn as_bytes(text: &str) -> String {
    text.bytes().map(char::from).collect()
}
