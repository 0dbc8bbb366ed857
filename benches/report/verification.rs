//! A whole ID token, beside the bare check of its signature.

use std::hint::black_box;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use logto::{Clock, Logto, LogtoConfig, OidcCore};
use serde_json::Value;

use crate::canned::Canned;
use crate::measure::Sides;
use crate::report::{Aim, Report};
use crate::{check, decode};

/// The name of a row, and of its token and key in the table.
const TOKENS: [(&str, &str, &str); 7] = [
    ("RS256", "RS256", "rsa"),
    ("RS256-4096", "RS256 by 4096 bits", "rsa4096"),
    ("PS256", "PS256", "rsa"),
    ("ES256", "ES256", "p256"),
    ("ES384", "ES384", "p384"),
    ("ES512", "ES512", "p521"),
    ("EdDSA", "EdDSA", "ed25519"),
];

const FLOOR: &str = "the bare check of the signature, its key prepared";

pub(crate) fn rows(report: &mut Report) {
    let table = include_str!("../../logto-core/tests/algorithms/table.json");
    let table: Value = serde_json::from_str(table).unwrap();
    for (name, token, key) in TOKENS {
        let token = table["tokens"][token].as_str().unwrap();
        let key = &table["keys"][key];
        if check::check(name, key).is_some() {
            let row = format!("verify_id_token/{name}");
            report.row(&row, FLOOR, aim(name), || sides(name, token, key));
        }
    }
}

fn aim(algorithm: &str) -> Aim {
    match algorithm.starts_with("ES") {
        true => Aim::Ratio(1.1),
        false => Aim::Over(3e3),
    }
}

fn sides(name: &str, token: &str, key: &Value) -> Sides {
    let core = core(key.clone());
    let ours = token.to_owned();
    let floor = bare_check(name, token, key);
    Sides::new(
        move || drop(black_box(core.verify_id_token(&ours, "app").unwrap())),
        floor,
    )
}

/// The check of this token's signature, with all done beforehand that can be.
pub(crate) fn bare_check(algorithm: &str, token: &str, key: &Value) -> impl FnMut() + use<> {
    let check = check::check(algorithm, key).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (message, signature) = (message.to_owned(), decode(signature));
    move || assert!(check(black_box(message.as_bytes()), &signature))
}

/// For the time at which the tokens of the table are valid.
fn core(key: Value) -> OidcCore {
    let endpoint = "https://foo.logto.app";
    let server = Canned { endpoint, key };
    let builder = Logto::builder(LogtoConfig::new(endpoint, "app")).http_client(server);
    builder.clock(Frozen).build().unwrap().oidc_core().unwrap()
}

#[derive(Debug)]
struct Frozen;

impl Clock for Frozen {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }
}
