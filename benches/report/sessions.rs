//! What a web request costs of a user who is signed in, beside one bare read.

use std::hint::black_box;

use http::Request;
use logto::Logto;
use logto::web::WebAuth;

use crate::access_tokens::{logto, signed_in_by};
use crate::callback::claims;
use crate::measure::Sides;
use crate::report::{Aim, Report};
use crate::signing::SigningKey;
use crate::stores::{Backend, Pair};

pub(crate) fn rows(report: &mut Report) {
    for backend in [Backend::Memory, Backend::Sqlite] {
        let (floor, name) = (backend.floor(), backend.name());
        report.row(&format!("session_open/{name}"), floor, Aim::None, || {
            open(backend, |client| {
                assert!(client.is_authenticated().unwrap())
            })
        });
        report.row(&format!("session_claims/{name}"), floor, Aim::None, || {
            open(backend, |client| {
                drop(black_box(client.id_token_claims().unwrap()))
            })
        });
        report.row(&format!("web_guard/{name}"), floor, Aim::None, || {
            guard(backend)
        });
    }
}

fn open(backend: Backend, use_it: fn(logto::LogtoClient)) -> Sides {
    let (logto, Pair { store, id, bare }) = scene(backend);
    Sides::new(
        move || use_it(logto.session(&store, &id)),
        move || drop(black_box(bare.get())),
    )
}

fn guard(backend: Backend) -> Sides {
    let (logto, Pair { store, id, bare }) = scene(backend);
    let auth = WebAuth::new(logto, store, "http://localhost:3000").unwrap();
    let cookie = format!("theme=dark; logto={}", id.expose());
    let request = Request::get("/orders").header("cookie", cookie);
    let request = request.body(()).unwrap();
    Sides::new(
        move || drop(black_box(auth.require_user(&request).unwrap())),
        move || drop(black_box(bare.get())),
    )
}

/// A session of a user who is signed in.
fn scene(backend: Backend) -> (Logto, Pair) {
    let claims = claims("http://127.0.0.1:9/oidc", "nonce");
    let id_token = SigningKey::new("ES384").token("JWT", &claims);
    (logto(), Pair::with(backend, &signed_in_by(&id_token, 1)))
}
