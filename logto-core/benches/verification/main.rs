//! What the verification of a whole ID token costs, beside the bare check of its signature by the
//! library under it. `cargo bench -p logto-core --bench verification [--features aws-lc-rs]`
//!
//! After criterion's own figures each algorithm is measured once more, ours and the library's in turns
//! so that a noisy moment hits both, and printed as one line.

#[cfg_attr(feature = "aws-lc-rs", path = "raw_aws_lc_rs.rs")]
#[cfg_attr(not(feature = "aws-lc-rs"), path = "raw_ring.rs")]
mod raw;
mod report;
mod server;

use std::hint::black_box;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{Criterion, criterion_group};
use serde_json::Value;

type Work = Box<dyn FnMut()>;

/// The same token, verified by ours, and only its signature checked by the library under it.
struct Row {
    name: &'static str,
    ours: Work,
    raw: Work,
}

/// A token of each algorithm, and the key that signed it.
const TOKENS: [(&str, &str, &str); 7] = [
    ("RS256", "RS256", "rsa"),
    ("RS256 of 4096 bits", "RS256 by 4096 bits", "rsa4096"),
    ("PS256", "PS256", "rsa"),
    ("ES256", "ES256", "p256"),
    ("ES384", "ES384", "p384"),
    ("ES512", "ES512", "p521"),
    ("EdDSA", "EdDSA", "ed25519"),
];

/// Those that this build can check.
fn rows() -> Vec<Row> {
    let table = include_str!("../../tests/algorithms/table.json");
    let table: Value = serde_json::from_str(table).unwrap();
    let tokens = TOKENS.into_iter();
    let rows = tokens.filter_map(|(name, token, key)| {
        let token = table["tokens"][token].as_str().unwrap();
        row(name, token, &table["keys"][key])
    });
    rows.collect()
}

fn row(name: &'static str, token: &str, key: &Value) -> Option<Row> {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (message, signature) = (message.to_owned(), decode(signature));
    let check = raw::check(name, key)?;
    let core = server::core(key);
    let token = token.to_owned();
    Some(Row {
        name,
        ours: Box::new(move || {
            black_box(core.verify_id_token(&token, "app").unwrap());
        }),
        raw: Box::new(move || assert!(check(black_box(message.as_bytes()), &signature))),
    })
}

fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn verification(criterion: &mut Criterion) {
    for mut row in rows() {
        let mut group = criterion.benchmark_group(row.name);
        group.bench_function("ours", |bencher| bencher.iter(&mut row.ours));
        group.bench_function("raw", |bencher| bencher.iter(&mut row.raw));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = verification
}

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    report::print();
}
