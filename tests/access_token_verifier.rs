//! An API server's view of access tokens, had by the client from a server, as an API is called with them.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use logto::storage::MemoryStorage;
use logto::{
    AccessTokenError, AccessTokenRequest, AccessTokenVerifier, AccessTokenVerifierBuilder,
    ApiAudience, Clock, ConfigError, JwtError, Logto, LogtoClient, LogtoConfig, LogtoError,
    TokenRequirements, UserInfoScope,
};
use logto_testing::{
    Endpoint, FakeApp, FakeLogto, FakeUser, Misbehaviour, SigningAlgorithm, TestClock,
};
use serde::Deserialize;
use serde_json::json;

const API: &str = "https://api.example.com";
const OTHER_API: &str = "https://other.example.com";
const REDIRECT_URI: &str = "http://localhost:3000/callback";

/// A server, a user who is signed in there, and an API.
struct Scene {
    fake: FakeLogto,
    clock: TestClock,
    logto: Logto,
    client: LogtoClient,
    verifier: AccessTokenVerifier,
}

impl Scene {
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(set: impl Fn(AccessTokenVerifierBuilder) -> AccessTokenVerifierBuilder) -> Self {
        let fake = FakeLogto::builder()
            .app(FakeApp::native("app"))
            .user(
                FakeUser::new("alice")
                    .organization("org_1", "Acme", ["admin"])
                    .organization_permissions("org_1", ["manage:members"])
                    .organization("org_2", "Umbrella", ["member"]),
            )
            .resource(API, ["read:orders", "read:orders:own"])
            .resource(OTHER_API, ["read:orders"])
            .start();
        let clock = fake.clock();
        clock.freeze();
        let config = LogtoConfig::new(fake.endpoint(), "app")
            .resources([API, OTHER_API])
            .scopes([UserInfoScope::Organizations])
            .scopes(["read:orders", "manage:members"]);
        let logto = Logto::builder(config).clock(clock.clone()).build().unwrap();
        let client = logto.client(MemoryStorage::new());
        let callback = fake.authorize(&client.sign_in(REDIRECT_URI).unwrap());
        client.handle_sign_in_callback(&callback).unwrap();
        let builder = AccessTokenVerifier::builder(fake.endpoint(), API).clock(clock.clone());
        let verifier = set(builder).build().unwrap();
        fake.clear_requests();
        Self {
            fake,
            clock,
            logto,
            client,
            verifier,
        }
    }

    /// The verifier of another API at the same server.
    fn verifier_of(&self, audience: impl Into<ApiAudience>) -> AccessTokenVerifier {
        let builder = AccessTokenVerifier::builder(self.fake.endpoint(), audience);
        builder.clock(self.clock.clone()).build().unwrap()
    }

    fn token<'a>(&self, request: impl Into<AccessTokenRequest<'a>>) -> String {
        self.client.access_token(request).unwrap().unwrap()
    }

    fn fresh_token(&self) -> String {
        self.token(AccessTokenRequest::from(API).force_refresh(true))
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn key_requests(&self) -> usize {
        self.fake.requests_to(Endpoint::Jwks).len()
    }

    fn break_down(&self) {
        self.fake
            .misbehave(Endpoint::Discovery, Misbehaviour::Status(503));
        let busy = Misbehaviour::StatusWithRetryAfter {
            status: 503,
            seconds: 17,
        };
        self.fake.misbehave(Endpoint::Jwks, busy);
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T, LogtoError>) -> AccessTokenError {
    match result.unwrap_err() {
        LogtoError::AccessToken(error) => error,
        error => panic!("{error:?}"),
    }
}

fn read_orders() -> TokenRequirements {
    TokenRequirements::scopes(["read:orders"])
}

#[test]
fn a_token_for_this_api_is_good_and_says_whose_it_is() {
    #[derive(Deserialize)]
    struct Extra {
        jti: String,
    }

    let scene = Scene::new();
    let header = format!("bearer {}", scene.token(API));
    let token = scene
        .verifier
        .verify_header(header.as_str(), &read_orders())
        .unwrap();
    assert_eq!(token.claims().sub, "alice");
    assert_eq!(token.claims().client_id.as_deref(), Some("app"));
    assert!(token.has_scope("read:orders") && !token.has_scope("read"));
    assert_eq!(token.organization_id(), None);
    assert!(!token.claims().extra_as::<Extra>().unwrap().jti.is_empty());
}

#[test]
fn the_keys_are_fetched_once() {
    let scene = Scene::new();
    let token = scene.token(API);
    assert_eq!(scene.key_requests(), 0, "nothing before it is needed");
    for _ in 0..3 {
        scene.verifier.verify(&token, &read_orders()).unwrap();
        scene
            .verifier
            .verify(&scene.fresh_token(), &read_orders())
            .unwrap();
    }
    assert_eq!(scene.key_requests(), 1);
}

#[test]
fn every_other_token_has_its_own_error_and_costs_no_request() {
    let scene = Scene::new();
    let id_token = scene.client.id_token().unwrap().unwrap();
    let opaque = scene.token("");
    let other_api = scene.token(OTHER_API);
    let organization = scene.client.organization_token("org_1").unwrap().unwrap();
    scene.fake.clear_requests();
    let verify = |token: &str| refused(scene.verifier.verify(token, &TokenRequirements::none()));
    assert!(matches!(
        verify(&id_token),
        AccessTokenError::Jwt(JwtError::WrongType { typ: None, .. })
    ));
    assert_eq!(verify(&opaque), AccessTokenError::Jwt(JwtError::NotAJwt));
    assert_eq!(verify(""), AccessTokenError::Jwt(JwtError::NotAJwt));
    assert_eq!(verify(&other_api), AccessTokenError::AudienceMismatch);
    assert_eq!(verify(&organization), AccessTokenError::AudienceMismatch);
    let huge = format!("{other_api}{}", "x".repeat(1 << 20));
    assert!(matches!(
        verify(&huge),
        AccessTokenError::Jwt(JwtError::TooLarge { .. })
    ));
    assert_eq!(scene.fake.requests().len(), 0);
    for (refused, status) in [(id_token, 401), (opaque, 401), (other_api, 401)] {
        let header = format!("Bearer {refused}");
        let error = scene
            .verifier
            .verify_header(header.as_str(), &TokenRequirements::none());
        let answer = scene.verifier.error_response(&error.unwrap_err());
        assert_eq!(answer.status(), status);
        let challenge = answer.headers()[WWW_AUTHENTICATE].to_str().unwrap();
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        assert!(!challenge.contains(&refused) && !answer.body().contains(&refused));
    }
}

#[test]
fn a_token_of_another_server_is_refused() {
    let (scene, elsewhere) = (Scene::new(), Scene::new());
    let foreign = elsewhere.token(API);
    let verify = || refused(scene.verifier.verify(&foreign, &TokenRequirements::none()));
    assert_eq!(verify(), AccessTokenError::IssuerMismatch);
    // Nor does its issuer's name help it.
    let trusting = AccessTokenVerifier::builder(scene.fake.endpoint(), API)
        .issuer(elsewhere.fake.issuer())
        .clock(scene.clock.clone())
        .build()
        .unwrap();
    assert_eq!(
        refused(trusting.verify(&foreign, &TokenRequirements::none())),
        AccessTokenError::Jwt(JwtError::NoMatchingKey)
    );
    assert!(
        trusting
            .verify(&scene.token(API), &TokenRequirements::none())
            .is_ok()
    );
}

#[test]
fn a_custom_domain_is_a_further_name_of_the_server() {
    const CUSTOM: &str = "https://id.example.com/oidc";
    let scene = Scene::with(|builder| builder.issuer(CUSTOM));
    let claims = json!({
        "iss": CUSTOM, "aud": API, "sub": "alice", "client_id": "app",
        "iat": scene.clock.unix_seconds(), "exp": scene.clock.unix_seconds() + 3600,
    });
    let header = json!({
        "alg": "ES384", "kid": scene.fake.jwks()["keys"][0]["kid"], "typ": "at+jwt",
    });
    let token = scene.fake.sign_jwt(header, claims);
    let none = TokenRequirements::none();
    scene.verifier.verify(&token, &none).unwrap();
    let strict = scene.verifier_of(API);
    assert_eq!(
        refused(strict.verify(&token, &none)),
        AccessTokenError::IssuerMismatch
    );

    // The server may call itself by either name, and by no third one.
    for (name, is_good) in [(CUSTOM, true), ("https://evil.example/oidc", false)] {
        let scene = Scene::with(|builder| builder.issuer(CUSTOM));
        scene
            .fake
            .tamper_response(Endpoint::Discovery, move |metadata| {
                metadata["issuer"] = name.into();
            });
        let verified = scene.verifier.verify(&scene.token(API), &none);
        assert_eq!(verified.is_ok(), is_good, "{name}");
    }
}

#[test]
fn a_signature_counts_to_its_last_bit() {
    let scene = Scene::new();
    let token = scene.token(API);
    scene
        .verifier
        .verify(&token, &TokenRequirements::none())
        .unwrap();
    let at = token.len() - 10;
    let other = if token.as_bytes()[at] == b'A' {
        "B"
    } else {
        "A"
    };
    let forged = format!("{}{other}{}", &token[..at], &token[at + 1..]);
    assert_eq!(
        refused(scene.verifier.verify(&forged, &TokenRequirements::none())),
        AccessTokenError::Jwt(JwtError::InvalidSignature)
    );
}

#[test]
fn a_missing_scope_is_403_whether_or_not_the_token_is_known() {
    let scene = Scene::new();
    let header = format!("Bearer {}", scene.token(API));
    for scopes in [
        &["write:orders"][..],
        &["read:orders", "read:orders:own"],
        &["read"],
        &["orders"],
    ] {
        for _ in 0..2 {
            let required = TokenRequirements::scopes(scopes.iter().copied());
            let error = scene.verifier.verify_header(header.as_str(), &required);
            let error = error.unwrap_err();
            let answer = scene.verifier.error_response(&error);
            assert_eq!(answer.status(), 403, "{scopes:?}");
            let challenge = answer.headers()[WWW_AUTHENTICATE].to_str().unwrap();
            let scope = format!("scope=\"{}\"", scopes.join(" "));
            assert!(challenge.contains(&scope), "{challenge}");
        }
    }
    scene
        .verifier
        .verify_header(header.as_str(), &read_orders())
        .unwrap();
}

#[test]
fn an_organizations_token_for_the_api_is_wanted_by_name() {
    let scene = Scene::new();
    let of = |id| scene.token(AccessTokenRequest::from(API).organization(id));
    let (one, two, none) = (of("org_1"), of("org_2"), scene.token(API));
    let required = read_orders().organization("org_1");
    let verify = |token: &str, required: &TokenRequirements| scene.verifier.verify(token, required);
    for _ in 0..2 {
        let token = verify(&one, &required).unwrap();
        assert_eq!(token.organization_id(), Some("org_1"));
        for other in [&two, &none] {
            assert_eq!(
                refused(verify(other, &required)),
                AccessTokenError::OrganizationMismatch
            );
        }
        assert_eq!(
            refused(verify(&one, &read_orders())),
            AccessTokenError::UnexpectedOrganization
        );
        let any = read_orders().any_organization();
        assert_eq!(verify(&two, &any).unwrap().organization_id(), Some("org_2"));
        assert_eq!(verify(&none, &any).unwrap().organization_id(), None);
    }
}

#[test]
fn an_api_can_be_an_organization_or_all_of_them() {
    let scene = Scene::new();
    let of = |id| scene.client.organization_token(id).unwrap().unwrap();
    let (one, two) = (of("org_1"), of("org_2"));
    let for_api = scene.token(AccessTokenRequest::from(API).organization("org_1"));

    let this = scene.verifier_of("urn:logto:organization:org_1");
    let any = scene.verifier_of(ApiAudience::AnyOrganization);
    let whichever = TokenRequirements::none().any_organization();
    for (verifier, required) in [(&this, &TokenRequirements::none()), (&any, &whichever)] {
        let token = verifier.verify(&one, required).unwrap();
        assert_eq!(token.organization_id(), Some("org_1"));
        for other in [&for_api, &scene.token(API)] {
            assert_eq!(
                refused(verifier.verify(other, &TokenRequirements::none())),
                AccessTokenError::AudienceMismatch
            );
        }
    }
    assert_eq!(
        refused(this.verify(&two, &TokenRequirements::none())),
        AccessTokenError::AudienceMismatch
    );
    assert_eq!(
        refused(any.verify(&two, &TokenRequirements::none())),
        AccessTokenError::UnexpectedOrganization
    );
    let token = any.verify(&two, &whichever).unwrap();
    assert_eq!(token.organization_id(), Some("org_2"));
    assert_eq!(
        refused(any.verify(&two, &TokenRequirements::none().organization("org_1"))),
        AccessTokenError::OrganizationMismatch
    );
}

#[test]
fn a_key_rotation_needs_no_restart() {
    let scene = Scene::new();
    let old = scene.token(API);
    scene.verifier.verify(&old, &read_orders()).unwrap();
    scene.fake.rotate_keys();
    let new = scene.fresh_token();
    scene.verifier.verify(&new, &read_orders()).unwrap();
    scene.verifier.verify(&old, &read_orders()).unwrap();
}

#[test]
fn a_key_of_another_algorithm_is_as_good() {
    let scene = Scene::new();
    for algorithm in [SigningAlgorithm::Rs256, SigningAlgorithm::Es256] {
        scene.fake.rotate_keys_to(algorithm);
        let token = scene.fresh_token();
        scene.verifier.verify(&token, &read_orders()).unwrap();
    }
}

#[test]
fn a_token_by_a_key_of_nobodys_is_refused() {
    let scene = Scene::new();
    let kid = &scene.fake.jwks()["keys"][0]["kid"];
    let claims = json!({
        "iss": scene.fake.issuer(), "aud": API, "sub": "alice", "client_id": "app",
        "iat": scene.clock.unix_seconds(), "exp": scene.clock.unix_seconds() + 3600,
        "scope": "read:orders",
    });
    let header = |typ: &str| json!({ "alg": "ES384", "kid": kid, "typ": typ });
    let unsigned = json!({ "alg": "none", "typ": "at+jwt" });
    let verify = |token: &str| scene.verifier.verify(token, &read_orders());
    for typ in ["at+jwt", "application/at+jwt", "AT+JWT"] {
        verify(&scene.fake.sign_jwt(header(typ), claims.clone())).unwrap();
        let forged = scene.fake.forge_jwt(header(typ), claims.clone());
        assert_eq!(
            refused(verify(&forged)),
            AccessTokenError::Jwt(JwtError::InvalidSignature)
        );
    }
    for typ in ["JWT", "logout+jwt", "at+jwt+x", ""] {
        let token = scene.fake.sign_jwt(header(typ), claims.clone());
        let error = refused(verify(&token));
        assert!(
            matches!(error, AccessTokenError::Jwt(JwtError::WrongType { .. })),
            "{typ:?}: {error}"
        );
    }
    let unsigned = scene.fake.sign_jwt(unsigned, claims);
    assert!(matches!(
        refused(verify(&unsigned)),
        AccessTokenError::Jwt(JwtError::AlgorithmNotAllowed { .. })
    ));
}

#[test]
fn a_withdrawn_key_is_noticed() {
    let scene = Scene::with(|builder| builder.clock_tolerance(Duration::ZERO));
    let old = scene.token(API);
    scene.verifier.verify(&old, &read_orders()).unwrap();
    scene.fake.rotate_keys();
    scene.fake.remove_previous_keys();
    let new = scene.fresh_token();
    scene.verifier.verify(&new, &read_orders()).unwrap();
    scene.verifier.verify(&old, &read_orders()).unwrap();
    scene.pass(599);
    scene.verifier.verify(&old, &read_orders()).unwrap();
    scene.pass(1);
    assert_eq!(
        refused(scene.verifier.verify(&old, &read_orders())),
        AccessTokenError::Jwt(JwtError::NoMatchingKey)
    );
}

#[test]
fn a_server_that_is_down_is_not_missed_where_its_keys_are_known() {
    let scene = Scene::new();
    let (known, unknown) = (scene.token(API), scene.fresh_token());
    scene.verifier.verify(&known, &read_orders()).unwrap();
    scene.break_down();
    scene.verifier.verify(&known, &read_orders()).unwrap();
    scene.verifier.verify(&unknown, &read_orders()).unwrap();
}

#[test]
fn a_server_that_is_down_at_the_start_is_503_and_then_forgotten() {
    let scene = Scene::new();
    let token = scene.token(API);
    scene.break_down();
    let error = scene.verifier.verify(&token, &read_orders()).unwrap_err();
    assert!(error.is_retryable() && !matches!(error, LogtoError::AccessToken(_)));
    let answer = scene.verifier.error_response(&error);
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()[RETRY_AFTER], "5");
    assert!(!answer.headers().contains_key(WWW_AUTHENTICATE));

    scene.fake.calm();
    let busy = Misbehaviour::StatusWithRetryAfter {
        status: 503,
        seconds: 17,
    };
    scene.fake.misbehave_times(Endpoint::Jwks, 1, busy);
    let error = scene.verifier.verify(&token, &read_orders()).unwrap_err();
    assert_eq!(
        scene.verifier.error_response(&error).headers()[RETRY_AFTER],
        "17"
    );
    scene.verifier.verify(&token, &read_orders()).unwrap();
}

#[test]
fn a_token_ends_with_its_lifetime_and_the_tolerance_remembered_or_not() {
    for capacity in [0, 4096] {
        let scene = Scene::with(|builder| builder.cache_capacity(capacity));
        let token = scene.token(API);
        scene.verifier.verify(&token, &read_orders()).unwrap();
        scene.pass(3659);
        scene.verifier.verify(&token, &read_orders()).unwrap();
        scene.pass(1);
        assert_eq!(
            refused(scene.verifier.verify(&token, &read_orders())),
            AccessTokenError::Expired
        );
    }
}

#[test]
fn a_token_from_the_future_is_refused() {
    let scene = Scene::new();
    let token = scene.token(API);
    scene.verifier.verify(&token, &read_orders()).unwrap();
    scene.clock.rewind(Duration::from_secs(61));
    assert_eq!(
        refused(scene.verifier.verify(&token, &read_orders())),
        AccessTokenError::NotYetValid
    );
}

#[test]
fn sixteen_threads_share_one_fetch_and_more_tokens_than_are_remembered() {
    let scene = Scene::with(|builder| builder.cache_capacity(4));
    let tokens: Vec<_> = (0..8).map(|_| scene.fresh_token()).collect();
    scene.fake.clear_requests();
    let barrier = Arc::new(Barrier::new(16));
    thread::scope(|threads| {
        for n in 0..16 {
            let (verifier, tokens, barrier) =
                (scene.verifier.clone(), &tokens, Arc::clone(&barrier));
            threads.spawn(move || {
                barrier.wait();
                for token in tokens.iter().cycle().skip(n).take(32) {
                    let verified = verifier.verify(token, &read_orders()).unwrap();
                    assert_eq!(verified.claims().sub, "alice");
                    let missing = TokenRequirements::scopes(["write:orders"]);
                    assert!(verifier.verify(token, &missing).is_err());
                }
            });
        }
    });
    assert_eq!(scene.key_requests(), 1);
    assert_eq!(scene.fake.requests_to(Endpoint::Discovery).len(), 1);
}

#[test]
fn an_application_shares_its_keys() {
    let scene = Scene::new();
    let token = scene.token(API);
    scene.fake.clear_requests();
    let verifier = scene.logto.access_token_verifier(API).unwrap();
    let verified = verifier.verify(&token, &read_orders()).unwrap();
    assert_eq!(verified.claims().sub, "alice");
    assert_eq!(
        scene.fake.requests().len(),
        0,
        "the sign-in has fetched them"
    );
    scene.pass(3660);
    assert_eq!(
        refused(verifier.verify(&token, &read_orders())),
        AccessTokenError::Expired
    );
}

#[test]
fn a_verifier_that_could_not_work_is_not_made() {
    for endpoint in [
        "",
        "foo.logto.app",
        "https://foo.logto.app/oidc",
        "http://foo.logto.app",
    ] {
        let error = AccessTokenVerifier::new(endpoint, API).unwrap_err();
        assert!(
            matches!(error, LogtoError::Config(_)),
            "{endpoint}: {error}"
        );
    }
    for audience in ["", " ", "urn:logto:organization:"] {
        let error = AccessTokenVerifier::new("https://foo.logto.app", audience).unwrap_err();
        assert!(
            matches!(&error, LogtoError::Config(ConfigError::EmptyAudience)),
            "{audience:?}: {error}"
        );
    }
    for issuer in ["", " "] {
        let builder = AccessTokenVerifier::builder("https://foo.logto.app", API).issuer(issuer);
        let error = builder.build().unwrap_err();
        assert!(
            matches!(&error, LogtoError::Config(ConfigError::EmptyIssuer)),
            "{issuer:?}: {error}"
        );
    }
    let daring = AccessTokenVerifier::builder("http://logto.internal:3001", API);
    daring.dangerous().allow_insecure_http().build().unwrap();
}
