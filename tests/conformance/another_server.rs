//! An application that was moved to another server, or has got another id, and has kept its storage: none of
//! the tokens in it is sent.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use logto::storage::{PersistKey, Record, SessionKey, Storage};
use logto::{
    AccessTokenRequest, CallbackError, ContextOptions, Logto, LogtoClient, LogtoConfig, LogtoError,
    Revocation,
};
use logto_testing::Endpoint;

use crate::captured;
use crate::hooked::Hooked;
use crate::scene::{Check, RESOURCE, Scene, Stage, decoded, is, query_value};

const HOME: &str = "http://localhost:3000/";
const OF_ANOTHER: Check = is!(LogtoError::SessionIssuerMismatch);

/// The application at a second server, with the session of the first.
fn moved(first: &Scene, stage: Stage) -> Scene {
    let mut second = stage.scene();
    assert_ne!(first.fake.issuer(), second.fake.issuer());
    (second.storage, second.id) = (first.storage.clone(), first.id.clone());
    second.client = second.logto.session(&second.storage, &second.id);
    let tokens = first.tokens().into_values();
    for token in tokens.chain([first.pending_refresh_token()]).flatten() {
        first.secrets.add(&token);
    }
    first.fake.clear_requests();
    second
}

/// That it is refused with these requests, nothing has changed, and no secret of either is told.
fn refused<T: std::fmt::Debug>(
    (first, second): (&Scene, &Scene),
    requests: &[Endpoint],
    step: impl FnOnce(&LogtoClient) -> Result<T, LogtoError>,
) {
    let error = second.refused(requests, step);
    assert!(OF_ANOTHER(&error), "{error:?}");
    assert!(error.requires_sign_in() && !error.is_retryable());
    first.tells_no_secret(&error);
    assert!(first.requests().is_empty());
}

fn native() -> Stage {
    Stage {
        app_secret: None,
        ..Stage::default()
    }
}

#[test]
fn a_refresh_token_is_not_sent_to_a_server_that_did_not_issue_it() {
    let scenes = [
        (Scene::signed_in(), Stage::default()),
        (Scene::native(), native()),
    ];
    for (first, stage) in scenes {
        let second = moved(&first, stage);
        let both = (&first, &second);
        refused(both, &[Endpoint::Discovery], |client| {
            client.access_token(RESOURCE)
        });
        refused(both, &[], |_| second.refresh());
        refused(both, &[], |client| client.organization_token("org_1"));

        first.refresh().unwrap().unwrap();
        assert_eq!(first.client.fetch_user_info().unwrap().sub, "alice");
        second.recovers();
        second.refresh().unwrap().unwrap();
        let of_second = (&second, &first);
        second.fake.clear_requests();
        refused(of_second, &[], |_| first.refresh());
    }
}

#[test]
fn nor_is_a_rotated_one_that_waits_for_its_id_token() {
    let first = Scene::native();
    first.put_claim("sub", "bob");
    first.refresh().unwrap_err();
    first.fake.calm();
    assert!(first.pending_refresh_token().is_some(), "the rotated one");
    let second = moved(&first, native());
    refused((&first, &second), &[Endpoint::Discovery], |_| {
        second.refresh()
    });
    first.refresh().unwrap().unwrap();
}

#[test]
fn a_cached_token_serves_its_api_until_it_is_to_be_replaced() {
    let first = Scene::signed_in();
    let cached = first.client.access_token(RESOURCE).unwrap();
    let second = moved(&first, Stage::default());
    assert_eq!(second.client.access_token(RESOURCE).unwrap(), cached);
    assert!(second.requests().is_empty() && cached.is_some());
    second.pass(3600 - 60);
    let access_token = [Endpoint::Discovery];
    refused((&first, &second), &access_token, |client| {
        client.access_token(RESOURCE)
    });
}

#[test]
fn an_access_token_is_not_sent_to_the_user_info_of_another_server() {
    let first = Scene::signed_in();
    let second = moved(&first, Stage::default());
    let both = (&first, &second);
    let is_cached = second.client.access_token(None).unwrap().is_some();
    assert!(is_cached && second.requests().is_empty());
    refused(both, &[Endpoint::Discovery], |client| {
        client.fetch_user_info()
    });
    let options = ContextOptions::new().user_info(true);
    refused(both, &[], |client| client.context(options));
    second.pass(3550);
    refused(both, &[], |client| client.fetch_user_info());

    assert_eq!(first.client.fetch_user_info().unwrap().sub, "alice");
    second.sign_in("bob");
    assert_eq!(second.client.fetch_user_info().unwrap().sub, "bob");
}

#[test]
fn a_sign_out_ends_the_session_and_sends_nothing_of_it_to_another_server() {
    let first = Scene::signed_in();
    let before = first.record().unwrap();
    let second = moved(&first, Stage::default());
    let sign_out = second.client.sign_out(HOME).unwrap();
    assert_eq!(second.record(), None);
    assert_eq!(second.requests(), [Endpoint::Discovery]);
    assert!(first.requests().is_empty());
    let Revocation::Failed(error) = sign_out.revocation else {
        panic!("{:?}", sign_out.revocation);
    };
    assert!(OF_ANOTHER(&error), "{error:?}");
    assert!(captured::text().contains("could not be revoked: the session was begun at another"));
    first.tells_no_secret(&error);

    first.secrets.are_not_in("the URL", &sign_out.url);
    assert!(sign_out.url.starts_with(second.fake.endpoint()));
    assert!(!sign_out.url.contains("id_token_hint"));
    assert_eq!(query_value(&sign_out.url, "post_logout_redirect_uri"), HOME);
    second.recovers();

    // The first server was told nothing, and takes the token still.
    let key = first.id.key();
    first.storage.remove(&key).unwrap();
    first.storage.save(&key, &before, None).unwrap();
    first.refresh().unwrap().unwrap();
}

/// An ID token with this `iss`, whose signature nobody looks at any more.
fn with_issuer(id_token: &str, issuer: &str) -> String {
    let parts: Vec<_> = id_token.split('.').collect();
    let mut claims = decoded(parts[1]);
    claims.insert("iss".to_owned(), issuer.into());
    let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims).unwrap());
    [parts[0], &claims, parts[2]].join(".")
}

#[test]
fn the_issuers_are_the_same_to_the_last_character_or_others() {
    let scene = Scene::signed_in();
    let session = scene.client.session();
    let id_token = scene.client.id_token().unwrap().unwrap();
    let issuer = scene.fake.issuer();
    for other in [
        format!("{issuer}/"),
        format!(" {issuer}"),
        issuer.to_uppercase(),
        issuer.replace("/oidc", "/%6Fidc"),
        issuer.replace("/oidc", ""),
        issuer
            .replace("127.0.0.1", "localhost")
            .replace("http:", "https:"),
        String::new(),
    ] {
        let stored = with_issuer(&id_token, &other);
        session.set(PersistKey::IdToken, &stored).unwrap();
        for call in 0..2 {
            let error = scene.refused(&[], |client| match call {
                0 => scene.refresh().map(|_| ()),
                _ => client.fetch_user_info().map(|_| ()),
            });
            assert!(OF_ANOTHER(&error), "{other:?}: {error:?}");
        }
    }
    let same = with_issuer(&id_token, issuer);
    session.set(PersistKey::IdToken, &same).unwrap();
    scene.client.fetch_user_info().unwrap();
    scene.refresh().unwrap().unwrap();
}

#[test]
fn a_session_without_an_id_token_is_refreshed_and_has_one_then() {
    let scene = Scene::signed_in();
    let session = scene.client.session();
    session.delete(PersistKey::IdToken).unwrap();
    scene.refresh().unwrap().unwrap();
    assert_eq!(scene.client.id_token_claims().unwrap().sub, "alice");
}

/// A storage in which another session comes in the place of the first one just before the nth call.
fn replaced(first: &Record, by: &Record, mut nth: usize) -> Hooked {
    let storage = Hooked::default();
    storage.save(&SessionKey::ONLY, first, None).unwrap();
    let by = by.clone();
    storage.hook(move |inner, _| {
        nth = nth.wrapping_sub(1);
        if nth == 0 {
            inner.remove(&SessionKey::ONLY)?;
            inner.save(&SessionKey::ONLY, &by, None)?;
        }
        Ok(())
    });
    storage
}

/// Every token that has come to a server.
fn received(scene: &Scene) -> Vec<String> {
    let requests = scene.fake.requests();
    let tokens = requests.iter().filter_map(|request| {
        let bearer = request
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "));
        let form = ["refresh_token", "token"]
            .into_iter()
            .find_map(|name| request.form_value(name));
        form.or(bearer).map(str::to_owned)
    });
    tokens.collect()
}

#[test]
fn another_session_in_its_place_sends_no_token_of_the_one_before() {
    let (first, second) = (Scene::signed_in(), Scene::signed_in());
    let (of_first, of_second) = (first.record().unwrap(), second.record().unwrap());
    type Call = fn(&LogtoClient) -> Result<(), LogtoError>;
    let calls: [(&str, Call); 3] = [
        ("refresh", |client| {
            let request = AccessTokenRequest::new().force_refresh(true);
            client.access_token(request).map(drop)
        }),
        ("user info", |client| client.fetch_user_info().map(drop)),
        ("sign-out", |client| client.sign_out(HOME).map(drop)),
    ];
    for nth in 1..=8 {
        for (name, call) in calls {
            second.fake.clear_requests();
            for (before, after) in [(&of_first, &of_second), (&of_second, &of_first)] {
                let storage = replaced(before, after, nth);
                let _ = call(&second.logto.client(storage));
            }
            let received = received(&second);
            let is_sent = !received.is_empty() || name == "user info";
            assert!(is_sent, "{name}, {nth}");
            for token in received {
                let is_own = of_second.data().contains(&token);
                assert!(is_own, "{name}, {nth}: a token of the other");
            }
        }
    }
}

#[test]
fn a_code_is_not_sent_to_a_server_at_which_its_sign_in_was_not_begun() {
    let first = Scene::new();
    let callback = first.callback();
    let (without_issuer, _) = callback.split_once("&iss=").unwrap();
    let second = moved(&first, Stage::default());
    second
        .fake
        .tamper_response(Endpoint::Discovery, |metadata| {
            metadata["authorization_response_iss_parameter_supported"] = false.into();
        });
    let error = second.refused_sign_in(without_issuer, &[Endpoint::Discovery]);
    assert!(
        is!(LogtoError::Callback(CallbackError::IssuerMismatch))(&error),
        "{error:?}"
    );
    assert!(first.requests().is_empty());
}

#[test]
fn a_token_is_not_shown_by_an_application_that_it_was_not_issued_to() {
    let scene = Scene::signed_in();
    let config = LogtoConfig::new(scene.fake.endpoint(), "another").resources([RESOURCE]);
    let another = Logto::builder(config).clock(scene.clock.clone());
    let another = another.build().unwrap();
    let client = another.session(&scene.storage, &scene.id);
    let of_another: Check = is!(LogtoError::SessionAudienceMismatch);

    scene.pass(3600);
    let before = scene.stored();
    scene.fake.clear_requests();
    for error in [
        client.access_token(RESOURCE).unwrap_err(),
        client.fetch_user_info().unwrap_err(),
    ] {
        assert!(of_another(&error) && error.requires_sign_in(), "{error:?}");
        scene.tells_no_secret(&error);
    }
    assert!(scene.stored() == before);
    scene.refresh().unwrap().unwrap();

    scene.fake.clear_requests();
    let signed_out = client.sign_out(HOME).unwrap();
    let Revocation::Failed(error) = signed_out.revocation else {
        panic!("{:?}", signed_out.revocation);
    };
    assert!(of_another(&error), "{error:?}");
    assert!(!signed_out.url.contains("id_token_hint"));
    assert!(scene.requests().is_empty());
    assert!(!scene.client.is_authenticated().unwrap());
}
