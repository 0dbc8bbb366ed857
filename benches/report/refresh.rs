//! A refresh, beside one request and one write, and one check where there is an ID token.

use std::sync::Arc;

use logto::{AccessTokenRequest, Logto, LogtoConfig, SessionId};
use serde_json::json;

use crate::callback::{APP, Bare, claims, tokens_with};
use crate::measure::{Sides, prepared};
use crate::report::{Aim, Report};
use crate::signing::SigningKey;
use crate::stores::{Backend, directory, put};
use crate::token_server::TokenServer;
use crate::verification::bare_check;
use crate::{access_tokens, tokens};

/// What the server gives for a refresh token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Given {
    /// An access token only, as Logto does for a web application most of the time.
    AccessToken,
    /// Another refresh token and an ID token, too, as Logto does for a public client.
    All,
}

pub(crate) fn rows(report: &mut Report) {
    for backend in [Backend::Memory, Backend::Sqlite] {
        let name = format!("refresh/{}", backend.name());
        report.row(&name, floor(backend, Given::AccessToken), Aim::None, || {
            sides(backend, Given::AccessToken)
        });
        let name = format!("refresh_rotated_with_id_token/ES384/{}", backend.name());
        report.row(&name, floor(backend, Given::All), Aim::None, || {
            sides(backend, Given::All)
        });
    }
}

fn floor(backend: Backend, given: Given) -> &'static str {
    match (backend, given) {
        (Backend::Memory, Given::AccessToken) => "one bare request on a kept connection",
        (Backend::Memory, Given::All) => "one bare request on a kept connection and one check",
        (_, Given::AccessToken) => "one bare request and one durable transaction by rusqlite",
        (_, Given::All) => "one bare request, one check and one durable transaction by rusqlite",
    }
}

fn sides(backend: Backend, given: Given) -> Sides {
    let key = SigningKey::new("ES384");
    let server = Arc::new(TokenServer::start(&key.jwk));
    let issuer = format!("{}/oidc", server.endpoint());
    let resource = access_tokens::resource(0);
    let config = LogtoConfig::new(server.endpoint(), APP.0).app_secret(APP.1);
    let logto = Logto::new(config.resources([resource.clone()])).unwrap();
    let directory = directory();
    let (store, id) = (backend.store(directory.path()), SessionId::random());
    let id_token = key.token("JWT", &claims(&issuer, "nonce"));
    let session = access_tokens::signed_in_by(&id_token, 1);
    put(&*store, &id.key(), &session);

    let mut bare = Bare::new(&server, backend, directory.path());
    let mut check = bare_check("ES384", &id_token, &key.jwk);
    let prepare = answers(Arc::clone(&server), id_token.clone(), given);
    let prepare_floor = answers(server, id_token, given);
    let client = logto.session(&store, &id);
    let ours = move |()| {
        let _ = &directory;
        let request = AccessTokenRequest::from(&*resource).force_refresh(true);
        drop(client.access_token(request).unwrap().unwrap());
    };
    Sides::timed(
        prepared(prepare, ours),
        prepared(prepare_floor, move |()| {
            bare.request();
            if given == Given::All {
                check();
            }
            bare.write();
        }),
    )
}

/// Readies the server to answer once more, with another refresh token than before.
fn answers(server: Arc<TokenServer>, id_token: String, given: Given) -> impl FnMut() {
    let mut count = 0;
    let mut answer = tokens_with(&id_token);
    if given == Given::AccessToken {
        let members = answer.as_object_mut().unwrap();
        members.retain(|name, _| name != "id_token" && name != "refresh_token");
    }
    move || {
        count += 1;
        answer["access_token"] = json!(tokens::text(count, 570));
        if given == Given::All {
            answer["refresh_token"] = json!(tokens::text(count, 43));
        }
        server.answer_tokens(&answer);
    }
}
