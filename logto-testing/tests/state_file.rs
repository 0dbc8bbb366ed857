//! A server that is started again.

mod common;

use std::fs;
use std::path::PathBuf;

use common::{Http, builder, text, tokens, verify};
use logto_testing::{FakeLogto, SigningAlgorithm};

fn file(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    path
}

fn port(fake: &FakeLogto) -> u16 {
    let (_, port) = fake.endpoint().rsplit_once(':').unwrap();
    port.parse().unwrap()
}

#[test]
fn tokens_and_keys_outlive_the_server() {
    let path = file("outlive.json");
    let fake = builder().state_file(&path).start();
    let first = tokens(&fake, "native", &[]);
    let port = port(&fake);
    drop(fake);

    let fake = builder().state_file(&path).port(port).start();
    let http = Http::new(&fake);
    assert_eq!(verify(&http, text(&first, "id_token")), Some(true));
    http.user_info(text(&first, "access_token")).ok();
    let second = http
        .refresh("native", text(&first, "refresh_token"), &[])
        .ok();
    drop(fake);

    let fake = builder().state_file(&path).port(port).start();
    Http::new(&fake)
        .refresh("native", text(&second, "refresh_token"), &[])
        .ok();
}

#[test]
fn what_was_revoked_stays_revoked() {
    let path = file("revoked.json");
    let fake = builder().state_file(&path).start();
    let first = tokens(&fake, "native", &[]);
    fake.revoke_grants();
    drop(fake);
    let fake = builder().state_file(&path).start();
    let answer = Http::new(&fake).refresh("native", text(&first, "refresh_token"), &[]);
    assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
}

#[test]
fn file_that_is_none_of_ours_is_not_overwritten() {
    let path = file("other.json");
    fs::write(&path, "{\"keys\": []}").unwrap();
    assert!(builder().state_file(&path).build().is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"keys\": []}");
}

#[test]
fn without_a_file_everything_is_new() {
    let keys = |fake: &FakeLogto| Http::new(fake).get("/oidc/jwks").ok();
    assert_ne!(keys(&builder().start()), keys(&builder().start()));
}

#[test]
fn keys_in_the_file_win_over_the_algorithm_that_is_set() {
    let path = file("algorithm.json");
    let fake = builder()
        .state_file(&path)
        .signing_algorithm(SigningAlgorithm::Rs256)
        .start();
    fake.rotate_keys_to(SigningAlgorithm::EdDsa);
    let keys = fake.jwks();
    drop(fake);
    let fake = builder().state_file(&path).start();
    assert_eq!(fake.jwks(), keys);
}
