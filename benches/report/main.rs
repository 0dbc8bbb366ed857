//! What users wait for or pay for, each beside its floor: what nobody can do without, measured in turns with
//! ours in the same run. `cargo bench --bench report [-- NAME…] [--rounds N]`
//!
//! A line for each row, and a table of all. A row's rounds are spread over the whole run. With names, the rows
//! whose names start with one of them. Ratios carry from one machine to another, nanoseconds do not.

mod access_tokens;
mod api;
mod callback;
#[path = "../support/canned.rs"]
mod canned;
#[cfg_attr(
    feature = "aws-lc-rs",
    path = "../../logto-core/benches/verification/raw_aws_lc_rs.rs"
)]
#[cfg_attr(
    not(feature = "aws-lc-rs"),
    path = "../../logto-core/benches/verification/raw_ring.rs"
)]
mod check;
#[path = "../support/threads.rs"]
mod in_threads;
mod measure;
#[path = "../support/raw.rs"]
mod raw;
mod refresh;
mod report;
mod sessions;
mod sign_in;
#[path = "../support/signing.rs"]
mod signing;
mod storages;
mod stores;
mod threads;
#[path = "../support/token_server.rs"]
mod token_server;
#[path = "../support/tokens.rs"]
mod tokens;
mod verification;

use report::Report;

fn main() {
    let Some(mut report) = Report::from_arguments() else {
        return;
    };
    while report.next_pass() {
        verification::rows(&mut report);
        access_tokens::rows(&mut report);
        sign_in::rows(&mut report);
        callback::rows(&mut report);
        refresh::rows(&mut report);
        api::rows(&mut report);
        sessions::rows(&mut report);
        storages::rows(&mut report);
        threads::rows(&mut report);
    }
    report.print();
}

/// Of base64url.
fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    URL_SAFE_NO_PAD.decode(text).unwrap()
}
