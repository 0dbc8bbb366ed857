//! Every public type that can hold a secret, printed.

use std::collections::BTreeSet;

use logto::desktop::{self, DesktopDeviceOptions, DesktopSignInOptions, DesktopSignOutOptions};
use logto::storage::{
    EncryptedStorage, EncryptionKey, FileStorage, MemoryStorage, PersistKey, Record, RedisStorage,
    Sealer, SessionKey, SledStorage, SqliteStorage, Storage,
};
use logto::{
    AccessToken, AccessTokenMap, AccessTokenVerifier, ClientCredentialsGrant, CodeGrant,
    DeviceSignInOptions, IdTokenClaims, Logto, LogtoConfig, LogtoContext, OidcCore,
    RefreshTokenGrant, Secret, Session, SessionId, SignInOptions, SignInSession, SignOutOptions,
    TokenExchange, TokenResponse, UreqClient,
};
use logto_testing::{Endpoint, FakeApp, FakeLogto};
use serde_json::json;

use crate::hunt::{Secrets, debug};
use crate::server::RedisServer;

/// 256 bits in base64url, so that it can be a session id too.
const SECRET: &str = "s3cr3t-s3cr3t-s3cr3t-s3cr3t-s3cr3t-s3cr3t-A";

/// What exports public types.
const SOURCES: [&str; 6] = [
    include_str!("../../src/desktop.rs"),
    include_str!("../../logto-core/src/lib.rs"),
    include_str!("../../logto-storage-file/src/lib.rs"),
    include_str!("../../logto-storage-redis/src/lib.rs"),
    include_str!("../../logto-storage-sled/src/lib.rs"),
    include_str!("../../logto-storage-sqlite/src/lib.rs"),
];

/// Types that can hold no secret: traits, settings, names, and what a server says of itself or of a user.
const WITHOUT_SECRET: [&str; 66] = [
    "AccessTokenClaims",
    "AccessTokenRequest",
    "ApiAudience",
    "Argon2Cost",
    "Audience",
    "Cancel",
    "Clock",
    "ConnectWithin",
    "ContextOptions",
    "DangerousVerifier",
    "DirectSignIn",
    "EncryptionKeyError",
    "ExchangedTokenType",
    "FirstScreen",
    "HttpClient",
    "Identifier",
    "IdleLifetime",
    "InteractionMode",
    "Introspection",
    "InvalidSessionId",
    "InvalidSessionOwner",
    "LocalLock",
    "LocalLocks",
    "LogoutTokenClaims",
    "MachineTokenRequest",
    "MemoryStorageBuilder",
    "Migration",
    "MigrationCounts",
    "OidcProviderMetadata",
    "OwnerDigest",
    "PersistKey",
    "Prompt",
    "TokenRequirements",
    "ReservedResource",
    "Scope",
    "SealError",
    "SessionOwner",
    "SledStorageBuilder",
    "SqliteStorageBuilder",
    "Storage",
    "StorageErrorKind",
    "StorageLock",
    "SystemClock",
    "UserIdentity",
    "UserInfoResponse",
    "UserInfoScope",
    "VerifiedAccessToken",
    "Version",
    // The tests of whole sign-ins and of errors print these.
    "AccessTokenError",
    "CallbackError",
    "ConfigError",
    "DesktopError",
    "DeviceError",
    "DiscoveryError",
    "HttpError",
    "IdTokenError",
    "JwtError",
    "LogoutTokenError",
    "LogtoError",
    "MigrationError",
    "OAuthError",
    "ResponseError",
    "Revocation",
    "SignInError",
    "SignInOutcome",
    "StorageError",
];

/// Each other type, with all its fields secret.
fn printed() -> Vec<(&'static str, String)> {
    let mut all = values();
    all.extend(storages());
    all.extend(desktop());
    all
}

fn desktop() -> Vec<(&'static str, String)> {
    let fake = FakeLogto::builder()
        .app(FakeApp::native("tv").device_flow())
        .start();
    let logto = Logto::new(LogtoConfig::new(fake.endpoint(), "tv")).unwrap();
    let client = logto.client(signed_in());
    fake.tamper_response(Endpoint::DeviceAuthorization, |body| {
        body["device_code"] = SECRET.into();
    });
    let request = DeviceSignInOptions::new().extra_param("token", SECRET);
    let device = client.start_device_sign_in(&request).unwrap();
    assert_eq!(device.device_code.expose(), SECRET);

    let for_device = DesktopDeviceOptions::new().request(|_| request.clone());
    let for_browser = DesktopSignInOptions::new()
        .request(|request| request.one_time_token(SECRET).extra_param("token", SECRET));
    let to_sign_out = DesktopSignOutOptions::new().without_browser();
    let signed_out = desktop::sign_out(&client, &to_sign_out).unwrap();
    assert!(signed_out.url.expose().contains(SECRET));
    vec![
        ("DeviceAuthorization", debug(&device)),
        ("DeviceSignInOptions", debug(&request)),
        ("DesktopDeviceOptions", debug(&for_device)),
        ("DesktopSignInOptions", debug(&for_browser)),
        ("DesktopSignOut", debug(&signed_out)),
        ("DesktopSignOutOptions", debug(&to_sign_out)),
    ]
}

fn values() -> Vec<(&'static str, String)> {
    let config = || LogtoConfig::new("http://127.0.0.1:9", "app").app_secret(SECRET);
    let logto = Logto::new(config()).unwrap();
    let key = || EncryptionKey::from_bytes(*key_bytes());
    let sealer = Sealer::new(key());
    let sealed = sealer.seal(&[], SECRET.as_bytes()).unwrap();
    let opened = sealer.open(&[], &sealed);
    let fake = FakeLogto::start();
    let core = Logto::new(LogtoConfig::new(fake.endpoint(), "app").app_secret(SECRET));
    let core: OidcCore = core.unwrap().oidc_core().unwrap();
    let mut context = LogtoContext::default();
    context.access_token = Some(SECRET.into());
    context.organization_tokens = [("org_1".to_owned(), SECRET.into())].into();
    let code = CodeGrant {
        client_id: "app",
        client_secret: Some(SECRET),
        redirect_uri: "https://example.com/callback",
        code: SECRET,
        code_verifier: SECRET,
    };
    let refresh = RefreshTokenGrant {
        client_secret: Some(SECRET),
        refresh_token: SECRET,
        ..RefreshTokenGrant::default()
    };
    let machine = ClientCredentialsGrant {
        client_secret: SECRET,
        ..ClientCredentialsGrant::default()
    };
    let exchange = TokenExchange::new(SECRET);
    let options = SignInOptions::new("https://example.com/callback")
        .one_time_token(SECRET)
        .extra_param("token", SECRET);
    let parsed = |text: serde_json::Value| text.to_string();
    let token = parsed(json!({ "token": SECRET, "expiresAt": 1 }));
    let access_token: AccessToken = serde_json::from_str(&token).unwrap();
    let map = parsed(json!({ "x": { "": access_token } }));
    let map: AccessTokenMap = serde_json::from_str(&map).unwrap();
    let response: TokenResponse = serde_json::from_value(json!({
        "access_token": SECRET, "token_type": "Bearer", "refresh_token": SECRET, "id_token": SECRET,
    }))
    .unwrap();
    let session: SignInSession = serde_json::from_value(json!({
        "redirectUri": "https://example.com/callback", "codeVerifier": SECRET, "state": SECRET,
        "nonce": SECRET,
    }))
    .unwrap();
    let claims: IdTokenClaims = serde_json::from_value(json!({
        "iss": "i", "sub": "alice", "aud": "app", "exp": 2, "iat": 1, "nonce": SECRET,
    }))
    .unwrap();
    let verifier = logto.access_token_verifier("https://api.example.com");
    let builder = AccessTokenVerifier::builder("http://127.0.0.1:9", "https://api.example.com");
    let server = FakeLogto::builder()
        .app(FakeApp::web("app", SECRET))
        .start();
    let relying = Logto::new(LogtoConfig::new(server.endpoint(), "app").app_secret(SECRET));
    let logout = server.logout_token("app", "alice").sign();
    let logout = relying.unwrap().verify_logout_token(&logout).unwrap();
    let proxy = ureq::Proxy::new(&format!("http://user:{SECRET}@127.0.0.1:9")).unwrap();
    let agent = ureq::Agent::config_builder().proxy(Some(proxy)).build();
    vec![
        ("AccessToken", debug(&access_token)),
        ("AccessTokenMap", debug(&map)),
        ("AccessTokenVerifier", debug(&verifier.unwrap())),
        ("AccessTokenVerifierBuilder", debug(&builder.share(&logto))),
        ("ClientCredentialsGrant", debug(&machine)),
        ("CodeGrant", debug(&code)),
        ("Dangerous", debug(&Logto::builder(config()).dangerous())),
        ("EncryptionKey", debug(&key())),
        (
            "EncryptionKey",
            debug(&EncryptionKey::from_passphrase(SECRET).unwrap()),
        ),
        ("IdTokenClaims", debug(&claims)),
        ("Logto", debug(&logto)),
        ("LogtoBuilder", debug(&Logto::builder(config()))),
        ("LogtoClient", debug(&logto.client(signed_in()))),
        ("LogtoConfig", debug(&config())),
        ("LogtoContext", debug(&context)),
        ("MachineClient", debug(&logto.machine_with(signed_in()))),
        ("OidcCore", debug(&core)),
        ("Unsealed", debug(&opened.unwrap())),
        ("Record", debug(&Record::new(None, SECRET))),
        ("RefreshTokenGrant", debug(&refresh)),
        ("Sealer", debug(&sealer)),
        ("Secret", debug(&Secret::from(SECRET))),
        ("Session", debug(logto.client(signed_in()).session())),
        ("SessionId", debug(&SessionId::parse(SECRET).unwrap())),
        ("SessionKey", debug(&session_key())),
        ("SignInOptions", debug(&options)),
        ("SignInSession", debug(&session)),
        ("SignOutOutcome", signed_out()),
        (
            "SignOutOptions",
            debug(&SignOutOptions::from("https://example.com/").state(SECRET)),
        ),
        ("TokenExchange", debug(&exchange)),
        ("TokenResponse", debug(&response)),
        ("VerifiedLogoutToken", debug(&logout)),
        ("UreqClient", debug(&UreqClient::with_agent(agent.into()))),
    ]
}

fn storages() -> Vec<(&'static str, String)> {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let key = || EncryptionKey::from_bytes(*key_bytes());
    let redis = RedisServer::builder().password(SECRET).start();
    vec![
        (
            "EncryptedStorage",
            with_session(&EncryptedStorage::new(MemoryStorage::new(), key())),
        ),
        (
            "FileStorage",
            with_session(&FileStorage::open(path("files"), key()).unwrap()),
        ),
        (
            "FileStorageBuilder",
            debug(&FileStorage::builder(path("files"), key())),
        ),
        ("MemoryStorage", with_session(&MemoryStorage::new())),
        (
            "RedisStorage",
            with_session(&RedisStorage::open(&redis.url()).unwrap()),
        ),
        (
            "RedisStorageBuilder",
            debug(&RedisStorage::builder(&redis.url()).root_certificate(SECRET)),
        ),
        (
            "SledStorage",
            with_session(&SledStorage::open(path("sled")).unwrap()),
        ),
        (
            "SqliteStorage",
            with_session(&SqliteStorage::open(path("sessions.db")).unwrap()),
        ),
    ]
}

fn signed_in() -> MemoryStorage {
    let storage = MemoryStorage::new();
    storage.save(&SessionKey::ONLY, &record(), None).unwrap();
    storage
}

/// Every member of it is secret.
fn record() -> Record {
    let data = json!({
        "idToken": SECRET,
        "refreshToken": SECRET,
        "pendingRefreshToken": SECRET,
        "accessTokenMap": { "x": { "": { "token": SECRET, "expiresAt": 1 } } },
        "signInSession": {
            "redirectUri": "https://example.com/callback", "codeVerifier": SECRET, "state": SECRET,
        },
    });
    Record::new(None, data.to_string())
}

fn session_key() -> SessionKey {
    SessionId::parse(SECRET).unwrap().key()
}

fn key_bytes() -> &'static [u8; 32] {
    SECRET.as_bytes().first_chunk().unwrap()
}

/// A storage and a session of it, whose key and data are secret.
fn with_session(storage: &(impl Storage + Clone + 'static)) -> String {
    storage.save(&session_key(), &record(), None).unwrap();
    let session = Session::new(storage.clone(), session_key());
    assert!(session.get(PersistKey::IdToken).unwrap().is_some());
    debug(storage) + &debug(&session)
}

fn signed_out() -> String {
    let fake = FakeLogto::start();
    let logto = Logto::new(LogtoConfig::new(fake.endpoint(), "app")).unwrap();
    let sign_out = logto.client(signed_in()).sign_out(None).unwrap();
    assert!(sign_out.url.contains(SECRET), "the hint is in the URL");
    debug(&sign_out)
}

/// The types and traits that a crate's root hands on.
fn exported() -> BTreeSet<&'static str> {
    let uses = SOURCES.into_iter().flat_map(|source| {
        let uses = source.split("\npub use ").skip(1);
        uses.map(|rest| rest.split(';').next().unwrap())
    });
    let words = uses.flat_map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_'));
    let is_type = |word: &&str| {
        word.starts_with(|c: char| c.is_uppercase()) && word.contains(|c: char| c.is_lowercase())
    };
    words.filter(is_type).collect()
}

#[test]
fn no_type_prints_its_secrets() {
    let key = str::from_utf8(key_bytes()).unwrap();
    let mut secrets = Secrets::of([("the secret", SECRET), ("the key", key)]);
    secrets.add_key(&session_key());
    for (name, text) in printed() {
        assert!(!text.trim().is_empty(), "{name}");
        secrets.are_not_in(&text, name);
    }
}

#[test]
fn every_public_type_is_printed_or_known_to_have_no_secret() {
    let exported = exported();
    assert!(exported.len() > 60, "{exported:?}");
    let printed = printed();
    let printed = printed.iter().map(|(name, _)| *name);
    let known: BTreeSet<_> = printed.chain(WITHOUT_SECRET).collect();
    let unknown: Vec<_> = exported.difference(&known).collect();
    assert!(unknown.is_empty(), "add these to the tables: {unknown:?}");
    let gone: Vec<_> = known.difference(&exported).collect();
    assert!(gone.is_empty(), "no longer exported: {gone:?}");
}
