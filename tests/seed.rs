//! Every symbol of the seed (the API of Logto's Python SDK), in the seed's order, and used.

#[path = "python_migration/python_names.rs"]
mod python_names;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use logto::storage::{MemoryStorage, PersistKey, SessionKey, Storage};
use logto::{
    AccessToken, AccessTokenClaims, AccessTokenMap, CodeGrant, IdTokenClaims, InteractionMode,
    LogtoClient, LogtoConfig, LogtoError, OidcCore, OidcProviderMetadata, Prompt,
    RefreshTokenGrant, ReservedResource, Scope, Session, SignInOptions, SignInSession,
    TokenResponse, UserIdentity, UserInfoResponse, UserInfoScope,
};
use logto_testing::{FakeLogto, FakeUser};
use serde_json::{Map, Value, json};

const RESOURCE: &str = "https://api.example.com";
const REDIRECT_URI: &str = "http://localhost:3000/callback";

fn fake() -> FakeLogto {
    FakeLogto::builder()
        .user(
            FakeUser::new("alice")
                .name("Alice Example")
                .username("alice")
                .picture("https://cdn.example.com/alice.png")
                .email("alice@example.com")
                .phone_number("15551234567")
                .custom_data(json!({ "team": "blue" }))
                .identities(json!({ "google": { "userId": "g-1", "details": { "hd": "x" } } }))
                .organization("org_1", "Acme", ["admin"]),
        )
        .resource(RESOURCE, ["read:items"])
        .start()
}

fn config(fake: &FakeLogto) -> LogtoConfig {
    LogtoConfig::new(fake.endpoint(), fake.app_id())
        .app_secret(fake.app_secret())
        .resources([RESOURCE])
        .scopes([
            UserInfoScope::Email,
            UserInfoScope::Phone,
            UserInfoScope::CustomData,
            UserInfoScope::Identities,
            UserInfoScope::Organizations,
            UserInfoScope::OrganizationRoles,
        ])
        .scopes(["read:items"])
}

fn signed_in(fake: &FakeLogto) -> LogtoClient {
    let client = LogtoClient::new(config(fake), MemoryStorage::new()).unwrap();
    let callback = fake.authorize(&client.sign_in(REDIRECT_URI).unwrap());
    client.handle_sign_in_callback(&callback).unwrap();
    client
}

#[test]
fn logto_exception() {
    // LogtoException
    let error: LogtoError = OidcCore::decode_id_token("opaque").unwrap_err();
    assert_eq!(error.to_string(), "the token is opaque, not a JWT");
}

#[test]
fn models_oidc_metadata_and_scopes() {
    let fake = fake();
    let client = signed_in(&fake);
    // OidcProviderMetadata
    let metadata: OidcProviderMetadata = client.oidc_core().unwrap().metadata().clone();
    // OidcProviderMetadata.userinfo_endpoint
    assert_eq!(
        metadata.userinfo_endpoint,
        Some(format!("{}/me", fake.issuer()))
    );
    // Scope
    let scope: Scope = UserInfoScope::Email.into();
    assert_eq!(scope.as_str(), "email");
    // UserInfoScope
    let scopes = [
        // UserInfoScope.openid
        (UserInfoScope::OpenId, "openid"),
        // UserInfoScope.profile
        (UserInfoScope::Profile, "profile"),
        // UserInfoScope.email
        (UserInfoScope::Email, "email"),
        // UserInfoScope.phone
        (UserInfoScope::Phone, "phone"),
        // UserInfoScope.customData
        (UserInfoScope::CustomData, "custom_data"),
        // UserInfoScope.identities
        (UserInfoScope::Identities, "identities"),
        // UserInfoScope.organizations
        (
            UserInfoScope::Organizations,
            "urn:logto:scope:organizations",
        ),
        // UserInfoScope.organization_roles
        (
            UserInfoScope::OrganizationRoles,
            "urn:logto:scope:organization_roles",
        ),
    ];
    for (scope, sent) in scopes {
        assert_eq!(scope.as_str(), sent);
    }
}

#[test]
fn models_oidc_id_token_claims() {
    let fake = fake();
    // IdTokenClaims
    let claims: IdTokenClaims = signed_in(&fake).id_token_claims().unwrap();
    // IdTokenClaims.iss
    assert_eq!(claims.iss, fake.issuer());
    // IdTokenClaims.sub
    assert_eq!(claims.sub, "alice");
    // IdTokenClaims.aud
    assert_eq!(claims.aud, fake.app_id());
    // IdTokenClaims.exp
    assert!(claims.exp > 0);
    // IdTokenClaims.iat
    assert_eq!(claims.exp - claims.iat, 3600);
    // IdTokenClaims.name
    assert_eq!(claims.name.as_deref(), Some("Alice Example"));
    // IdTokenClaims.username
    assert_eq!(claims.username.as_deref(), Some("alice"));
    // IdTokenClaims.picture
    assert_eq!(
        claims.picture.as_deref(),
        Some("https://cdn.example.com/alice.png")
    );
    // IdTokenClaims.email
    assert_eq!(claims.email.as_deref(), Some("alice@example.com"));
    // IdTokenClaims.email_verified
    assert_eq!(claims.email_verified, Some(true));
    // IdTokenClaims.phone_number
    assert_eq!(claims.phone_number.as_deref(), Some("15551234567"));
    // IdTokenClaims.phone_number_verified
    assert_eq!(claims.phone_number_verified, Some(true));
    // IdTokenClaims.organizations
    assert_eq!(claims.organizations, Some(vec!["org_1".to_owned()]));
    // IdTokenClaims.organization_roles
    assert_eq!(
        claims.organization_roles,
        Some(vec!["org_1:admin".to_owned()])
    );
    // The extra claims
    assert!(
        claims.extra["updated_at"].as_i64().unwrap() > 1_000_000_000_000,
        "milliseconds"
    );
}

#[test]
fn models_oidc_access_token_claims() {
    let fake = fake();
    let client = signed_in(&fake);
    // ReservedResource
    let resource = ReservedResource::Organizations;
    // ReservedResource.organizations
    assert_eq!(resource.as_str(), "urn:logto:resource:organizations");
    // AccessTokenClaims
    let claims: AccessTokenClaims = client.access_token_claims(RESOURCE).unwrap();
    // AccessTokenClaims.iss
    assert_eq!(claims.iss, fake.issuer());
    // AccessTokenClaims.sub
    assert_eq!(claims.sub, "alice");
    // AccessTokenClaims.aud
    assert_eq!(claims.aud, RESOURCE);
    // AccessTokenClaims.exp
    assert!(claims.exp > 0);
    // AccessTokenClaims.iat
    assert_eq!(claims.exp - claims.iat, 3600);
    // AccessTokenClaims.scope
    assert_eq!(claims.scope, "read:items");
    // AccessTokenClaims.client_id
    assert_eq!(claims.client_id.as_deref(), Some(fake.app_id()));
    // The extra claims
    #[derive(serde::Deserialize)]
    struct Extra {
        jti: String,
    }
    assert!(!claims.extra_as::<Extra>().unwrap().jti.is_empty());
}

#[test]
fn models_response() {
    // TokenResponse
    let response: TokenResponse = serde_json::from_value(json!({
        "access_token": "a", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "r",
        "id_token": "i",
    }))
    .unwrap();
    // TokenResponse.access_token
    assert_eq!(response.access_token.expose(), "a");
    // TokenResponse.token_type
    assert_eq!(response.token_type, "Bearer");
    // TokenResponse.expires_in
    assert_eq!(response.expires_in, Some(3600));
    // TokenResponse.refresh_token
    assert_eq!(response.refresh_token.unwrap().expose(), "r");
    // TokenResponse.id_token
    assert_eq!(response.id_token.unwrap().expose(), "i");

    let fake = fake();
    let user_info = signed_in(&fake).fetch_user_info().unwrap();
    // UserIdentity
    let identity: &UserIdentity = &user_info.identities.as_ref().unwrap()["google"];
    // UserIdentity.userId
    assert_eq!(identity.user_id, "g-1");
    // UserIdentity.details
    assert_eq!(identity.details.as_ref().unwrap()["hd"], "x");
    // UserInfoResponse
    let user_info: UserInfoResponse = user_info;
    // UserInfoResponse.sub
    assert_eq!(user_info.sub, "alice");
    // UserInfoResponse.name
    assert_eq!(user_info.name.as_deref(), Some("Alice Example"));
    // UserInfoResponse.username
    assert_eq!(user_info.username.as_deref(), Some("alice"));
    // UserInfoResponse.picture
    assert_eq!(
        user_info.picture.as_deref(),
        Some("https://cdn.example.com/alice.png")
    );
    // UserInfoResponse.email
    assert_eq!(user_info.email.as_deref(), Some("alice@example.com"));
    // UserInfoResponse.email_verified
    assert_eq!(user_info.email_verified, Some(true));
    // UserInfoResponse.phone_number
    assert_eq!(user_info.phone_number.as_deref(), Some("15551234567"));
    // UserInfoResponse.phone_number_verified
    assert_eq!(user_info.phone_number_verified, Some(true));
    // UserInfoResponse.custom_data
    assert_eq!(user_info.custom_data, Some(json!({ "team": "blue" })));
    // UserInfoResponse.identities
    assert_eq!(user_info.identities.unwrap().len(), 1);
    // UserInfoResponse.organizations
    assert_eq!(user_info.organizations, Some(vec!["org_1".to_owned()]));
    // UserInfoResponse.organization_roles
    assert_eq!(
        user_info.organization_roles,
        Some(vec!["org_1:admin".to_owned()])
    );
}

#[test]
fn logto_client_models() {
    // LogtoConfig
    let config = LogtoConfig::new("https://foo.logto.app", "app")
        .app_secret("secret")
        .prompt([Prompt::Login])
        .resources([RESOURCE])
        .scopes([UserInfoScope::Email]);
    // LogtoConfig.endpoint
    assert_eq!(config.endpoint, "https://foo.logto.app");
    // LogtoConfig.appId
    assert_eq!(config.app_id, "app");
    // LogtoConfig.appSecret
    assert_eq!(config.app_secret.unwrap().expose(), "secret");
    // LogtoConfig.prompt
    assert_eq!(config.prompt, [Prompt::Login]);
    // LogtoConfig.resources
    assert_eq!(config.resources, [RESOURCE]);
    // LogtoConfig.scopes
    assert_eq!(config.scopes, [Scope::from("email")]);

    // SignInSession
    let stored = json!({ "redirectUri": REDIRECT_URI, "codeVerifier": "v", "state": "s" });
    let session: SignInSession = serde_json::from_value(stored).unwrap();
    // SignInSession.redirectUri
    assert_eq!(session.redirect_uri, REDIRECT_URI);
    // SignInSession.codeVerifier
    assert_eq!(session.code_verifier.expose(), "v");
    // SignInSession.state
    assert_eq!(session.state.expose(), "s");

    // AccessToken
    let token: AccessToken =
        serde_json::from_value(json!({ "token": "t", "expiresAt": 1 })).unwrap();
    // AccessToken.token
    assert_eq!(token.token.expose(), "t");
    // AccessToken.expiresAt
    assert_eq!(token.expires_at, 1);
    // AccessTokenMap
    let mut map = AccessTokenMap::default();
    map.x.insert(String::new(), token);
    assert_eq!(map.x[""].expires_at, 1);
    // InteractionMode
    assert_eq!(InteractionMode::SignIn.as_str(), "signIn");
    assert_eq!(InteractionMode::SignUp.as_str(), "signUp");
}

#[test]
fn logto_client() {
    let fake = fake();
    // LogtoClient
    let client: LogtoClient = LogtoClient::new(config(&fake), MemoryStorage::new()).unwrap();
    // LogtoClient.getOidcCore
    assert_eq!(client.oidc_core().unwrap().metadata().issuer, fake.issuer());
    // LogtoClient.signIn
    let options = SignInOptions::new(REDIRECT_URI).interaction_mode(InteractionMode::SignUp);
    let url = client.sign_in(options.clone()).unwrap();
    assert!(url.contains("interaction_mode=signUp"), "{url}");
    // LogtoClient.signOut
    let sign_out = client.sign_out("http://localhost:3000/").unwrap();
    assert!(
        sign_out
            .url
            .starts_with(&format!("{}/session/end?", fake.issuer()))
    );
    // LogtoClient.handleSignInCallback
    let url = client.sign_in(options).unwrap();
    client
        .handle_sign_in_callback(&fake.authorize(&url))
        .unwrap();
    // LogtoClient.getAccessToken
    assert_eq!(client.access_token(None).unwrap().unwrap().len(), 43);
    // LogtoClient.getOrganizationToken
    assert!(client.organization_token("org_1").unwrap().is_some());
    // LogtoClient.getAccessTokenClaims
    assert_eq!(client.access_token_claims(RESOURCE).unwrap().aud, RESOURCE);
    // LogtoClient.getOrganizationTokenClaims
    let claims = client.organization_token_claims("org_1").unwrap();
    assert_eq!(claims.aud, "urn:logto:organization:org_1");
    // LogtoClient.getIdToken
    assert!(client.id_token().unwrap().is_some());
    // LogtoClient.getIdTokenClaims
    assert_eq!(client.id_token_claims().unwrap().sub, "alice");
    // LogtoClient.getRefreshToken
    assert!(client.refresh_token().unwrap().is_some());
    // LogtoClient.isAuthenticated
    assert!(client.is_authenticated().unwrap());
    // LogtoClient.fetchUserInfo
    assert_eq!(client.fetch_user_info().unwrap().sub, "alice");
}

#[test]
fn oidc_core() {
    let fake = fake();
    let client = signed_in(&fake);
    let discovery_url = format!("{}/.well-known/openid-configuration", fake.issuer());
    // OidcCore.getProviderMetadata comes later in the seed; its result is needed here.
    let metadata = OidcCore::fetch_provider_metadata(&discovery_url).unwrap();
    // OidcCore, OidcCore.__init__
    let core = OidcCore::new(metadata).unwrap();
    // OidcCore.generateState
    assert_eq!(OidcCore::generate_state().len(), 43);
    // OidcCore.generateCodeVerifier
    let code_verifier = OidcCore::generate_code_verifier();
    // OidcCore.generateCodeChallenge
    let code_challenge = OidcCore::generate_code_challenge(&code_verifier);
    // OidcCore.decodeIdToken
    let id_token = client.id_token().unwrap().unwrap();
    assert_eq!(OidcCore::decode_id_token(&id_token).unwrap().sub, "alice");
    // OidcCore.decodeAccessToken
    let access_token = client.access_token(RESOURCE).unwrap().unwrap();
    assert_eq!(
        OidcCore::decode_access_token(&access_token).unwrap().aud,
        RESOURCE
    );
    // OidcCore.getProviderMetadata
    assert_eq!(core.metadata().issuer, fake.issuer());

    // OidcCore.fetchTokenByCode
    let callback = fake.authorize(&format!(
        "{}?client_id={}&redirect_uri={REDIRECT_URI}&response_type=code&prompt=consent&state=s\
         &scope=openid+offline_access+urn:logto:scope:organizations&code_challenge={code_challenge}\
         &code_challenge_method=S256",
        core.metadata().authorization_endpoint,
        fake.app_id(),
    ));
    let callback = url::Url::parse(&callback).unwrap();
    let code = callback
        .query_pairs()
        .find(|(name, _)| name == "code")
        .unwrap()
        .1;
    let tokens = core
        .fetch_token_by_code(&CodeGrant {
            client_id: fake.app_id(),
            client_secret: Some(fake.app_secret()),
            redirect_uri: REDIRECT_URI,
            code: &code,
            code_verifier: &code_verifier,
        })
        .unwrap();
    // OidcCore.fetchTokenByRefreshToken
    let refreshed = core
        .fetch_token_by_refresh_token(&RefreshTokenGrant {
            client_id: fake.app_id(),
            client_secret: Some(fake.app_secret()),
            refresh_token: tokens.refresh_token.unwrap().expose(),
            resource: "urn:logto:organization:org_1",
            ..Default::default()
        })
        .unwrap();
    let claims = OidcCore::decode_access_token(refreshed.access_token.expose()).unwrap();
    assert_eq!(claims.aud, "urn:logto:organization:org_1");
    // OidcCore.verifyIdToken
    let id_token = tokens.id_token.unwrap();
    let claims = core
        .verify_id_token(id_token.expose(), fake.app_id())
        .unwrap();
    assert_eq!(claims.sub, "alice");
    assert!(
        core.verify_id_token(id_token.expose(), "another-app")
            .is_err()
    );
    // OidcCore.fetchUserInfo
    let user_info = core.fetch_user_info(tokens.access_token.expose()).unwrap();
    assert_eq!(user_info.sub, "alice");
}

#[test]
fn utilities() {
    // urlsafeEncode
    assert_eq!(logto::urlsafe_encode(&[251, 255]), "-_8");
    // removeFalsyKeys
    let data: Map<String, Value> =
        serde_json::from_value(json!({ "a": 1, "b": null, "c": "", "d": [] })).unwrap();
    assert_eq!(
        Value::from(logto::remove_falsy_keys(data)),
        json!({ "a": 1 })
    );
    // OrganizationUrnPrefix
    assert_eq!(logto::ORGANIZATION_URN_PREFIX, "urn:logto:organization:");
    // buildOrganizationUrn
    assert_eq!(
        logto::build_organization_urn("1"),
        "urn:logto:organization:1"
    );
}

#[test]
fn storage() {
    // PersistKey
    let names = PersistKey::ALL.map(PersistKey::as_str);
    for name in ["idToken", "refreshToken", "accessTokenMap", "signInSession"] {
        assert!(names.contains(&name), "{name}");
    }
    // MemoryStorage
    let memory = MemoryStorage::new();
    // Storage
    let storage: &dyn Storage = &memory;
    assert_eq!(storage.load(&SessionKey::ONLY).unwrap(), None);
    let session = Session::new(memory, SessionKey::ONLY);
    // Storage.get
    assert_eq!(session.get(PersistKey::IdToken).unwrap(), None);
    // Storage.set
    session.set(PersistKey::IdToken, "value").unwrap();
    let value = session.get(PersistKey::IdToken).unwrap();
    assert_eq!(value.as_deref(), Some("value"));
    // Storage.delete
    session.delete(PersistKey::IdToken).unwrap();
    assert_eq!(session.get(PersistKey::IdToken).unwrap(), None);
}

/// Whoever knows the seed finds the twin of each name in the docs' search.
#[test]
fn every_name_that_differs_is_an_alias() {
    let names = "LogtoException openid customData organization_roles userId appId appSecret \
        redirectUri codeVerifier expiresAt getOidcCore signIn signOut postLogoutRedirectUri \
        handleSignInCallback getAccessToken getOrganizationToken getAccessTokenClaims \
        getOrganizationTokenClaims getIdToken getIdTokenClaims getRefreshToken isAuthenticated \
        fetchUserInfo generateState generateCodeVerifier generateCodeChallenge decodeIdToken \
        decodeAccessToken getProviderMetadata fetchTokenByCode fetchTokenByRefreshToken \
        verifyIdToken urlsafeEncode removeFalsyKeys OrganizationUrnPrefix buildOrganizationUrn";
    let aliases = aliases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("logto-core/src"));
    for name in names.split_whitespace() {
        assert!(aliases.contains(name), "no #[doc(alias = {name:?})]");
    }
}

/// The guide for those who come from the Python SDK leaves no name out.
#[test]
fn the_guide_has_every_name() {
    let guide = python_names::in_the_guide();
    let names = names_in(include_str!("seed.rs"));
    assert!(names.len() > 100, "{names:?}");
    let missing: Vec<_> = names.difference(&guide).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The names that the comments of this file are, and nothing else.
fn names_in(source: &str) -> BTreeSet<String> {
    let comments = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("// "));
    let lists = comments.filter(|text| !text.replace(", ", "").contains(' '));
    lists
        .flat_map(|list| list.split(", "))
        .map(str::to_owned)
        .collect()
}

fn aliases(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(aliases(&path));
            continue;
        }
        let source = fs::read_to_string(path).unwrap();
        let names = source.split("doc(alias = \"").skip(1);
        found.extend(names.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()));
    }
    found
}
