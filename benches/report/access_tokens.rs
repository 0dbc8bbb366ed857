//! An access token that is cached, beside the bare read of the bytes that it is in.

use std::hint::black_box;

use logto::{Clock, Logto, LogtoConfig, SystemClock};
use serde_json::{Map, Value, json};

use crate::measure::Sides;
use crate::report::{Aim, Report};
use crate::stores::{Backend, Pair};
use crate::tokens;

/// As long as a Logto access token for a resource.
const TOKEN_LENGTH: usize = 570;

pub(crate) fn rows(report: &mut Report) {
    for backend in Backend::ALL {
        for count in [1, 11] {
            let name = format!("access_token/{}/{count}", backend.name());
            report.row(&name, backend.floor(), aim(backend, count), || {
                with_one_client(backend, count)
            });
        }
    }
    for backend in Backend::ALL {
        let name = format!("access_token_of_new_client/{}/1", backend.name());
        report.row(&name, backend.floor(), Aim::None, || {
            with_new_clients(backend)
        });
    }
}

fn aim(backend: Backend, count: usize) -> Aim {
    match (backend, count) {
        (Backend::Memory, 1) => Aim::Below(600.0),
        (Backend::Memory, _) => Aim::Below(1_000.0),
        _ => Aim::Ratio(1.5),
    }
}

fn with_one_client(backend: Backend, count: usize) -> Sides {
    let Pair { store, id, bare } = Pair::with(backend, &signed_in(count));
    let client = logto().session(&store, &id);
    let resource = resource(0);
    Sides::new(
        move || drop(black_box(client.access_token(&resource).unwrap().unwrap())),
        move || drop(black_box(bare.get())),
    )
}

fn with_new_clients(backend: Backend) -> Sides {
    let Pair { store, id, bare } = Pair::with(backend, &signed_in(1));
    let (logto, resource) = (logto(), resource(0));
    Sides::new(
        move || {
            let client = logto.session(&store, &id);
            drop(black_box(client.access_token(&resource).unwrap().unwrap()));
        },
        move || drop(black_box(bare.get())),
    )
}

/// The client of the API with which sessions hold tokens, without a network.
pub(crate) fn logto() -> Logto {
    Logto::new(LogtoConfig::new("http://127.0.0.1:9", "app").resources([resource(0)])).unwrap()
}

pub(crate) fn resource(n: usize) -> String {
    format!("https://api-{n}.example.com")
}

/// The data of a session with so many access tokens.
pub(crate) fn signed_in(count: usize) -> String {
    signed_in_by(&tokens::text(0, 900), count)
}

/// The same with this ID token.
pub(crate) fn signed_in_by(id_token: &str, count: usize) -> String {
    let expires_at = SystemClock.unix_seconds() + 36_000;
    let entry = |n| {
        let token = tokens::text(n, TOKEN_LENGTH);
        (
            resource(n),
            json!({ "token": token, "expiresAt": expires_at }),
        )
    };
    let map: Map<String, Value> = (0..count).map(entry).collect();
    tokens::session(0, id_token, map.into())
}
