//! Each failure has its own error, and leaves the session as it was.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use logto::storage::{MemoryStorage, MemoryStore, PersistKey, SessionStore, Storage};
use logto::{
    CallbackError, ConfigError, DiscoveryError, HttpError, IdTokenError, JwtError, Logto,
    LogtoClient, LogtoConfig, LogtoError, ResponseError, Revocation, SessionId, SignInError,
    SignInOptions, UreqClient,
};
use logto_testing::{Endpoint, FakeApp, FakeLogto, FakeUser, Misbehaviour, TestClock};

const RESOURCE: &str = "https://api.example.com";
const REDIRECT_URI: &str = "http://localhost:3000/callback";

/// A native application with one session, at a server whose clock is the application's.
struct Scene {
    fake: FakeLogto,
    clock: TestClock,
    logto: Logto,
    storage: Arc<MemoryStorage>,
    client: LogtoClient,
}

impl Scene {
    fn new() -> Self {
        let fake = FakeLogto::builder()
            .app(FakeApp::native("app"))
            .user(FakeUser::new("alice").name("Alice Example"))
            .user(FakeUser::new("bob"))
            .resource(RESOURCE, ["read:items"])
            .start();
        let clock = fake.clock();
        clock.freeze();
        let config = LogtoConfig::new(fake.endpoint(), "app").resources([RESOURCE]);
        let logto = Logto::builder(config)
            .clock(clock.clone())
            .http_client(patient())
            .build()
            .unwrap();
        let storage = Arc::new(MemoryStorage::new());
        let client = logto.client(Arc::clone(&storage));
        Self {
            fake,
            clock,
            logto,
            storage,
            client,
        }
    }

    fn signed_in() -> Self {
        let scene = Self::new();
        scene.sign_in("alice").unwrap();
        scene
    }

    fn sign_in(&self, user: &str) -> Result<(), LogtoError> {
        self.fake.sign_in_as(user);
        let callback = self.callback();
        self.client.handle_sign_in_callback(&callback).map(|_| ())
    }

    fn callback(&self) -> String {
        self.fake
            .authorize(&self.client.sign_in(REDIRECT_URI).unwrap())
    }

    /// All that is visible of the session. A rotated refresh token in waiting is not.
    fn stored(&self) -> Vec<Option<String>> {
        let visible = |key: &&PersistKey| **key != PersistKey::PendingRefreshToken;
        let keys = PersistKey::ALL.iter().filter(visible);
        keys.map(|key| self.storage.get(*key).unwrap()).collect()
    }

    /// Who is signed in, and with which tokens; not the sign-ins under way.
    fn tokens(&self) -> Vec<Option<String>> {
        let keys = [
            PersistKey::IdToken,
            PersistKey::RefreshToken,
            PersistKey::AccessTokenMap,
        ];
        keys.iter()
            .map(|key| self.storage.get(*key).unwrap())
            .collect()
    }

    fn expire(&self) {
        self.clock.advance(Duration::from_secs(3600));
    }

    /// The error of a refresh that must fail and change nothing.
    fn failing_refresh(&self) -> LogtoError {
        self.expire();
        let before = self.stored();
        let error = self.client.access_token(RESOURCE).unwrap_err();
        assert_eq!(self.stored(), before, "{error}");
        error
    }
}

/// Waits as long as a slow machine needs, and keeps connections for longer than any test.
fn patient() -> UreqClient {
    http_client(Duration::from_secs(60))
}

fn http_client(timeout: Duration) -> UreqClient {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        .max_idle_age(Duration::from_secs(600))
        .build();
    UreqClient::with_agent(config.into())
}

fn query_value(url: &str, name: &str) -> String {
    let url = url::Url::parse(url).unwrap();
    let mut pairs = url.query_pairs();
    pairs.find(|(key, _)| key == name).unwrap().1.into_owned()
}

#[test]
fn discovery_and_keys_are_fetched_once_on_one_connection() {
    let fake = FakeLogto::builder()
        .user(FakeUser::new("alice"))
        .user(FakeUser::new("bob"))
        .keep_alive(Duration::from_secs(600))
        .start();
    let config = LogtoConfig::new(fake.endpoint(), fake.app_id()).app_secret(fake.app_secret());
    let logto = Logto::builder(config)
        .http_client(patient())
        .build()
        .unwrap();
    let mut costs = Vec::new();
    for user in ["alice", "bob", "alice"] {
        let client = logto.client(MemoryStorage::new());
        let url = client.sign_in(REDIRECT_URI).unwrap();
        fake.sign_in_as(user);
        let callback = fake.authorize(&url);
        fake.clear_requests();
        client.handle_sign_in_callback(&callback).unwrap();
        assert_eq!(client.id_token_claims().unwrap().sub, user);
        let paths: Vec<_> = fake
            .requests()
            .iter()
            .map(|request| request.endpoint().unwrap())
            .collect();
        costs.push(paths);
    }
    assert_eq!(
        costs,
        [
            vec![Endpoint::Token, Endpoint::Jwks],
            vec![Endpoint::Token],
            vec![Endpoint::Token]
        ]
    );
    assert_eq!(fake.connections(), 1);
}

#[test]
fn sixty_four_threads_fetch_discovery_and_keys_once() {
    let mut scene = Scene::signed_in();
    let id_token = scene.client.id_token().unwrap().unwrap();
    scene.logto = Logto::builder(scene.logto.config().clone())
        .clock(scene.clock.clone())
        .build()
        .unwrap();
    scene.fake.clear_requests();
    std::thread::scope(|threads| {
        for _ in 0..64 {
            threads.spawn(|| {
                let core = scene.logto.oidc_core().unwrap();
                core.verify_id_token(&id_token, "app").unwrap();
            });
        }
    });
    assert_eq!(scene.fake.requests_to(Endpoint::Discovery).len(), 1);
    assert_eq!(scene.fake.requests_to(Endpoint::Jwks).len(), 1);
}

#[test]
fn a_servers_error_is_kept_as_it_is() {
    let scene = Scene::signed_in();
    let refusal = Misbehaviour::Error {
        status: 400,
        error: "invalid_target".to_owned(),
        description: "resource indicator is missing, or unknown".to_owned(),
    };
    scene.fake.misbehave(Endpoint::Token, refusal);
    let error = scene.failing_refresh();
    let oauth = error.oauth_error().unwrap();
    assert_eq!(
        (oauth.error.as_str(), oauth.status),
        ("invalid_target", Some(400))
    );
    assert!(!error.is_retryable() && !error.requires_sign_in());
}

#[test]
fn a_broken_server_is_told_apart() {
    let scene = Scene::signed_in();
    type Check = fn(&LogtoError) -> bool;
    let cases: [(Misbehaviour, Check, bool); 8] = [
        (
            Misbehaviour::Status(500),
            |error| error.oauth_error().is_some(),
            true,
        ),
        (
            Misbehaviour::StatusWithRetryAfter {
                status: 503,
                seconds: 7,
            },
            |error| error.retry_after() == Some(Duration::from_secs(7)),
            true,
        ),
        (
            Misbehaviour::Garbage,
            |error| is_response(error, |e| matches!(e, ResponseError::Json { .. })),
            false,
        ),
        (
            Misbehaviour::Html,
            |error| is_response(error, |e| matches!(e, ResponseError::ContentType { .. })),
            false,
        ),
        (
            Misbehaviour::Redirect {
                status: 307,
                location: "http://127.0.0.1:9/".to_owned(),
            },
            |error| is_response(error, |e| matches!(e, ResponseError::Redirect { .. })),
            false,
        ),
        (
            Misbehaviour::HugeBody,
            |error| is_http(error, |e| matches!(e, HttpError::BodyTooLarge { .. })),
            false,
        ),
        (
            Misbehaviour::CloseUnprocessed,
            |error| is_http(error, |e| matches!(e, HttpError::Interrupted { .. })),
            true,
        ),
        (
            Misbehaviour::ExpiredIdToken,
            |error| matches!(error, LogtoError::IdToken(IdTokenError::Expired)),
            false,
        ),
    ];
    for (misbehaviour, check, is_retryable) in cases {
        scene.sign_in("alice").unwrap();
        scene.fake.misbehave(Endpoint::Token, misbehaviour.clone());
        let error = scene.failing_refresh();
        assert!(check(&error), "{misbehaviour:?}: {error:?}");
        assert_eq!(
            error.is_retryable(),
            is_retryable,
            "{misbehaviour:?}: {error}"
        );
        scene.fake.calm();
    }
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let scene = Scene::signed_in();
    scene
        .fake
        .misbehave(Endpoint::Token, Misbehaviour::NeverAnswer);
    let impatient = Logto::builder(scene.logto.config().clone())
        .clock(scene.clock.clone())
        .http_client(http_client(Duration::from_secs(1)))
        .build()
        .unwrap()
        .client(Arc::clone(&scene.storage));
    let before = scene.stored();
    let error = impatient.access_token(RESOURCE).unwrap_err();
    assert!(
        is_http(&error, |e| matches!(e, HttpError::Timeout { .. })),
        "{error:?}"
    );
    assert!(error.is_retryable());
    assert_eq!(scene.stored(), before);
}

fn is_response(error: &LogtoError, check: impl Fn(&ResponseError) -> bool) -> bool {
    matches!(error, LogtoError::Response(error) if check(error))
}

fn is_http(error: &LogtoError, check: impl Fn(&HttpError) -> bool) -> bool {
    matches!(error, LogtoError::Http(error) if check(error))
}

#[test]
fn a_closed_port_is_told_apart() {
    let scene = Scene::signed_in();
    scene.expire();
    let before = scene.stored();
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let config = LogtoConfig::new(format!("http://127.0.0.1:{port}"), "app").resources([RESOURCE]);
    let elsewhere = Logto::builder(config)
        .clock(scene.clock.clone())
        .build()
        .unwrap();
    let client = elsewhere.client(Arc::clone(&scene.storage));
    for error in [
        client.sign_in(REDIRECT_URI).unwrap_err(),
        client.access_token(RESOURCE).unwrap_err(),
    ] {
        assert!(is_http(&error, |e| !e.may_have_been_sent()), "{error:?}");
        assert!(error.is_retryable());
        assert_eq!(scene.stored(), before);
    }
}

#[test]
fn the_sign_out_of_an_unreachable_server_changes_nothing() {
    let scene = Scene::signed_in();
    let elsewhere = LogtoConfig::new("http://127.0.0.1:9", "app");
    let client = Logto::new(elsewhere)
        .unwrap()
        .client(Arc::clone(&scene.storage));
    let before = scene.stored();
    assert!(client.sign_out(None).unwrap_err().is_retryable());
    assert_eq!(scene.stored(), before);
}

#[test]
fn a_refresh_token_that_cannot_be_revoked_keeps_nobody_signed_in() {
    let scene = Scene::signed_in();
    scene
        .fake
        .misbehave(Endpoint::Revocation, Misbehaviour::Status(500));
    let sign_out = scene.client.sign_out("http://localhost:3000/").unwrap();
    assert!(matches!(sign_out.revocation, Revocation::Failed(error) if error.is_retryable()));
    assert_eq!(scene.tokens(), [None, None, None]);
    let again = scene.client.sign_out(None).unwrap();
    assert!(matches!(again.revocation, Revocation::NoRefreshToken));
}

#[test]
fn a_bad_callback_costs_no_request_and_no_sign_in() {
    let scene = Scene::signed_in();
    let good = scene.callback();
    let before = scene.stored();
    let state = query_value(&good, "state");
    let iss = scene.fake.issuer();
    scene.fake.clear_requests();
    use CallbackError::*;
    let cases = [
        ("no url".to_owned(), Malformed),
        (good.replace("localhost", "127.0.0.1"), RedirectUriMismatch),
        (good.replace("http://", "https://"), RedirectUriMismatch),
        (good.replace(":3000", ":3001"), RedirectUriMismatch),
        (good.replace("/callback", "/other"), RedirectUriMismatch),
        (good.replace(&state, "wrong"), StateMismatch),
        (good.replace("state=", "no_state="), StateMissing),
        (
            format!("{REDIRECT_URI}?error=access_denied&iss={iss}"),
            StateMissing,
        ),
        (
            format!("{good}&state={state}"),
            DuplicateParameter { name: "state" },
        ),
        (
            format!("{good}&code=x"),
            DuplicateParameter { name: "code" },
        ),
        (format!("{good}&iss=x"), DuplicateParameter { name: "iss" }),
        (format!("{good}#x"), Fragment),
        (
            format!("{good}&id_token=x"),
            UnexpectedParameter { name: "id_token" },
        ),
    ];
    for (callback, expected) in cases {
        match scene.client.handle_sign_in_callback(&callback).unwrap_err() {
            LogtoError::Callback(error) => assert_eq!(error, expected, "{callback}"),
            other => panic!("{callback}: {other:?}"),
        }
        assert_eq!(scene.stored(), before, "{callback}");
    }
    assert!(scene.fake.requests().is_empty());
    scene.client.handle_sign_in_callback(&good).unwrap();
}

#[test]
fn a_callback_with_the_right_state_ends_its_sign_in_only() {
    let scene = Scene::signed_in();
    let other = scene.callback();
    use CallbackError::*;
    let cases: [(&str, Option<CallbackError>); 5] = [
        ("&code=c", Some(IssuerMissing)),
        ("&code=c&iss=http://evil/oidc", Some(IssuerMismatch)),
        ("&iss={iss}", Some(CodeMissing)),
        ("&code=c&error=e&iss={iss}", Some(CodeAndError)),
        ("&error=access_denied&error_description=no&iss={iss}", None),
    ];
    for (rest, expected) in cases {
        let state = query_value(&scene.client.sign_in(REDIRECT_URI).unwrap(), "state");
        let rest = rest.replace("{iss}", scene.fake.issuer());
        let callback = format!("{REDIRECT_URI}?state={state}{rest}");
        let before = scene.tokens();
        scene.fake.clear_requests();
        let error = scene.client.handle_sign_in_callback(&callback).unwrap_err();
        match expected {
            Some(expected) => {
                assert!(
                    matches!(&error, LogtoError::Callback(e) if *e == expected),
                    "{error:?}"
                );
            }
            None => assert_eq!(error.oauth_error().unwrap().error, "access_denied"),
        }
        let again = scene.client.handle_sign_in_callback(&callback).unwrap_err();
        assert!(
            matches!(again, LogtoError::Callback(AlreadyUsed)),
            "{again:?}"
        );
        assert_eq!(scene.tokens(), before);
        assert!(scene.fake.requests().is_empty());
    }
    scene.client.handle_sign_in_callback(&other).unwrap();
}

#[test]
fn a_callback_is_good_for_ten_minutes_and_once() {
    let scene = Scene::new();
    let late = scene.callback();
    scene.clock.advance(Duration::from_secs(601));
    let error = scene.client.handle_sign_in_callback(&late).unwrap_err();
    assert!(
        matches!(error, LogtoError::Callback(CallbackError::Expired)),
        "{error:?}"
    );

    let callback = scene.callback();
    scene.fake.clear_requests();
    let results: Vec<_> = std::thread::scope(|threads| {
        let attempts: Vec<_> = (0..16)
            .map(|_| threads.spawn(|| scene.client.handle_sign_in_callback(&callback)))
            .collect();
        attempts
            .into_iter()
            .map(|attempt| attempt.join().unwrap())
            .collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for error in results.into_iter().filter_map(Result::err) {
        assert!(
            matches!(error, LogtoError::Callback(CallbackError::AlreadyUsed)),
            "{error:?}"
        );
    }
    assert_eq!(scene.fake.requests_to(Endpoint::Token).len(), 1);
}

#[test]
fn a_failed_sign_in_keeps_the_user_who_is_signed_in() {
    let scene = Scene::signed_in();
    let cases = [
        (Misbehaviour::Status(500), false),
        (Misbehaviour::CloseMidResponse, false),
        (Misbehaviour::WrongSignature, true),
        (Misbehaviour::UnknownKey, true),
        (Misbehaviour::ExpiredIdToken, true),
    ];
    for (misbehaviour, is_id_token) in cases {
        let before = scene.tokens();
        scene.fake.misbehave(Endpoint::Token, misbehaviour.clone());
        let error = scene.sign_in("bob").unwrap_err();
        assert_eq!(
            matches!(error, LogtoError::IdToken(_)),
            is_id_token,
            "{misbehaviour:?}: {error:?}"
        );
        assert_eq!(scene.tokens(), before, "{misbehaviour:?}");
        assert_eq!(scene.client.id_token_claims().unwrap().sub, "alice");
        scene.fake.calm();
    }
}

#[test]
fn an_answer_without_an_id_token_is_no_sign_in() {
    let scene = Scene::signed_in();
    scene.fake.tamper_response(Endpoint::Token, |answer| {
        answer.as_object_mut().unwrap().remove("id_token");
    });
    let error = scene.sign_in("bob").unwrap_err();
    assert!(
        is_response(&error, |e| *e == ResponseError::IdTokenMissing),
        "{error:?}"
    );
    assert_eq!(scene.client.id_token_claims().unwrap().sub, "alice");
}

#[test]
fn the_user_after_has_no_token_of_the_user_before() {
    let scene = Scene::signed_in();
    let of_alice = scene.client.access_token(RESOURCE).unwrap();
    scene.sign_in("bob").unwrap();
    assert_ne!(scene.client.access_token(RESOURCE).unwrap(), of_alice);
    assert_eq!(
        scene.client.access_token_claims(RESOURCE).unwrap().sub,
        "bob"
    );
}

#[test]
fn a_sign_in_is_finished_under_an_id_that_nobody_knows() {
    let scene = Scene::new();
    let store = MemoryStore::new();
    let planted = SessionId::random();
    let client = scene.logto.session(&store, &planted);
    let [first, second] =
        [(); 2].map(|()| scene.fake.authorize(&client.sign_in(REDIRECT_URI).unwrap()));
    let (id, signed_in) = scene
        .logto
        .finish_sign_in(&store, &planted, &first)
        .unwrap();
    assert_eq!(signed_in.claims.sub, "alice");
    assert!(scene.logto.session(&store, &id).is_authenticated().unwrap());
    for key in PersistKey::ALL {
        assert_eq!(store.session(&planted).get(key).unwrap(), None, "{key}");
    }

    // The other tab's sign-in has moved along, and the finished one is remembered.
    let (newer, _) = scene.logto.finish_sign_in(&store, &id, &second).unwrap();
    let error = scene
        .logto
        .finish_sign_in(&store, &newer, &first)
        .unwrap_err();
    assert!(
        matches!(error, LogtoError::Callback(CallbackError::AlreadyUsed)),
        "{error:?}"
    );
    assert!(
        scene
            .logto
            .session(&store, &newer)
            .is_authenticated()
            .unwrap()
    );
}

#[test]
fn a_sign_out_during_a_callback_stays_signed_out() {
    let scene = Scene::signed_in();
    let callback = scene.callback();
    let (reached, is_reached) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    scene.fake.tamper_response(Endpoint::Token, move |_| {
        let _ = reached.send(());
        let _ = may_go_on.lock().unwrap().recv();
    });
    let error = std::thread::scope(|threads| {
        let finish = threads.spawn(|| scene.client.handle_sign_in_callback(&callback));
        is_reached.recv().unwrap();
        scene.client.sign_out(None).unwrap();
        drop(go_on);
        finish.join().unwrap().unwrap_err()
    });
    assert!(
        matches!(
            error,
            LogtoError::Callback(CallbackError::SignedOutMeanwhile)
        ),
        "{error:?}"
    );
    assert!(!scene.client.is_authenticated().unwrap());
}

#[test]
fn starting_a_sign_in_signs_nobody_out() {
    let scene = Scene::signed_in();
    let before = scene.tokens();
    for _ in 0..20 {
        scene.client.sign_in(REDIRECT_URI).unwrap();
    }
    assert_eq!(scene.tokens(), before);
}

#[test]
fn user_information_of_somebody_else_is_refused() {
    let scene = Scene::signed_in();
    scene
        .fake
        .tamper_response(Endpoint::UserInfo, |answer| answer["sub"] = "bob".into());
    let error = scene.client.fetch_user_info().unwrap_err();
    assert!(
        matches!(error, LogtoError::UserInfoSubjectMismatch),
        "{error:?}"
    );
    scene.fake.calm();
    scene.fake.misbehave(Endpoint::UserInfo, Misbehaviour::Html);
    let error = scene.client.fetch_user_info().unwrap_err();
    assert!(
        is_response(&error, |e| matches!(e, ResponseError::ContentType { .. })),
        "{error:?}"
    );
}

#[test]
fn a_server_without_user_information_signs_users_in() {
    let scene = Scene::new();
    scene.fake.tamper_response(Endpoint::Discovery, |metadata| {
        metadata
            .as_object_mut()
            .unwrap()
            .remove("userinfo_endpoint");
        metadata["scopes_supported"] = serde_json::Value::Null;
    });
    scene.sign_in("alice").unwrap();
    let error = scene.client.fetch_user_info().unwrap_err();
    assert!(
        matches!(
            error,
            LogtoError::Discovery(DiscoveryError::NoUserInfoEndpoint)
        ),
        "{error:?}"
    );
    assert!(scene.fake.requests_to(Endpoint::UserInfo).is_empty());
}

#[test]
fn metadata_of_another_issuer_is_refused_and_a_failure_is_not_kept() {
    let scene = Scene::new();
    scene
        .fake
        .misbehave_times(Endpoint::Discovery, 1, Misbehaviour::Status(500));
    assert!(
        scene
            .client
            .sign_in(REDIRECT_URI)
            .unwrap_err()
            .is_retryable()
    );
    scene.fake.tamper_response(Endpoint::Discovery, |metadata| {
        let issuer = metadata["issuer"].as_str().unwrap().to_owned();
        metadata["issuer"] = format!("{issuer}/").into();
    });
    let error = scene.client.sign_in(REDIRECT_URI).unwrap_err();
    assert!(
        matches!(
            error,
            LogtoError::Discovery(DiscoveryError::IssuerMismatch { .. })
        ),
        "{error:?}"
    );
    scene.fake.calm();
    scene.client.sign_in(REDIRECT_URI).unwrap();
}

#[test]
fn metadata_that_cannot_be_renewed_is_used_on() {
    let scene = Scene::signed_in();
    scene
        .fake
        .misbehave(Endpoint::Discovery, Misbehaviour::Status(500));
    scene
        .fake
        .misbehave(Endpoint::Jwks, Misbehaviour::Status(500));
    scene.expire();
    scene.fake.clear_requests();
    scene.client.access_token(RESOURCE).unwrap().unwrap();
    scene.client.sign_in(REDIRECT_URI).unwrap();
    assert_eq!(
        scene.fake.requests_to(Endpoint::Discovery).len(),
        1,
        "not tried again at once"
    );
    scene.clock.advance(Duration::from_secs(61));
    scene.client.sign_in(REDIRECT_URI).unwrap();
    assert_eq!(scene.fake.requests_to(Endpoint::Discovery).len(), 2);
}

#[test]
fn an_unknown_key_is_fetched_at_once_and_then_not_for_a_while() {
    let scene = Scene::signed_in();
    scene.fake.rotate_keys();
    scene.fake.clear_requests();
    scene.sign_in("alice").unwrap();
    assert_eq!(
        scene.fake.requests_to(Endpoint::Jwks).len(),
        1,
        "a rotated key"
    );

    scene
        .fake
        .misbehave(Endpoint::Token, Misbehaviour::UnknownKey);
    scene.fake.clear_requests();
    for _ in 0..5 {
        let error = scene.sign_in("alice").unwrap_err();
        assert!(
            matches!(
                error,
                LogtoError::IdToken(IdTokenError::Jwt(JwtError::NoMatchingKey))
            ),
            "{error:?}"
        );
    }
    assert_eq!(
        scene.fake.requests_to(Endpoint::Jwks).len(),
        1,
        "no key that anybody has"
    );
    scene.clock.advance(Duration::from_secs(31));
    scene.sign_in("alice").unwrap_err();
    assert_eq!(scene.fake.requests_to(Endpoint::Jwks).len(), 2);
}

#[test]
fn a_resource_that_no_sign_in_asked_for_is_not_sent() {
    let scene = Scene::signed_in();
    scene.fake.clear_requests();
    let error = scene
        .client
        .access_token("https://other.example.com")
        .unwrap_err();
    assert!(
        matches!(
            error,
            LogtoError::Config(ConfigError::UnknownResource { .. })
        ),
        "{error:?}"
    );
    assert!(scene.fake.requests().is_empty());
}

#[test]
fn options_that_cannot_work_are_refused_before_anything_is_stored() {
    let scene = Scene::new();
    let elsewhere = SignInOptions::new(REDIRECT_URI).post_redirect_uri("https://evil.example/");
    let reserved = SignInOptions::new(REDIRECT_URI).extra_param("state", "x");
    let answered = format!("{REDIRECT_URI}?code=x").into();
    let with_password = "http://user:hunter2@localhost:3000/callback".into();
    for options in [
        "callback".into(),
        elsewhere,
        reserved,
        answered,
        with_password,
    ] {
        let error = scene.client.sign_in(options).unwrap_err();
        assert!(matches!(error, LogtoError::SignIn(_)), "{error:?}");
    }
    let error = scene.client.sign_out("not a url").unwrap_err();
    assert!(
        matches!(
            error,
            LogtoError::SignIn(SignInError::InvalidRedirectUri { .. })
        ),
        "{error:?}"
    );
    assert!(scene.stored().iter().all(Option::is_none));
    assert!(scene.fake.requests().is_empty());
}

#[test]
fn nobody_is_signed_in() {
    let scene = Scene::new();
    assert_eq!(scene.client.access_token(None).unwrap(), None);
    assert_eq!(scene.client.organization_token("org_1").unwrap(), None);
    for error in [
        scene.client.id_token_claims().unwrap_err(),
        scene.client.access_token_claims(RESOURCE).unwrap_err(),
        scene.client.fetch_user_info().unwrap_err(),
    ] {
        assert!(error.requires_sign_in(), "{error:?}");
    }
    assert!(scene.fake.requests().is_empty());
}

#[test]
fn what_cannot_be_read_counts_as_absent() {
    let scene = Scene::signed_in();
    scene
        .storage
        .set(PersistKey::AccessTokenMap, Some("{broken"))
        .unwrap();
    scene.client.access_token(RESOURCE).unwrap().unwrap();
    scene
        .storage
        .set(PersistKey::SignInSession, Some("[]"))
        .unwrap();
    scene.sign_in("bob").unwrap();
}

#[test]
fn an_organization_that_the_user_is_not_in_is_refused_by_the_server() {
    let scene = Scene::signed_in();
    let error = scene.client.organization_token("nobody").unwrap_err();
    assert_eq!(error.oauth_error().unwrap().status, Some(403), "{error:?}");
}
