//! The protocol and the client of the Logto SDK, and the [`Storage`] trait that backends implement.
//!
//! Applications use the crate `logto`, which hands on everything here and the storages. A storage
//! backend depends on this crate.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod access_token_verifier;
mod back_channel;
mod client;
mod clock;
mod config;
mod crypto;
mod error;
mod http;
mod logto;
mod machine;
mod oidc;
mod oidc_core;
mod scopes;
mod seal;
mod secret;
mod session;
mod storage;
mod utilities;

pub use access_token_verifier::{
    AccessTokenVerifier, AccessTokenVerifierBuilder, DangerousVerifier, VerifiedAccessToken,
};
pub use client::{ContextOptions, LogtoClient, LogtoContext, Session};
pub use clock::{Clock, SystemClock};
pub use config::{ConfigError, LogtoConfig, Prompt};
pub use error::{LogtoError, StorageError, StorageErrorKind};
pub use http::{ConnectWithin, HttpClient, HttpError, UreqClient};
pub use logto::{Dangerous, Logto, LogtoBuilder, VerifiedLogoutToken};
pub use machine::MachineClient;
pub use oidc::access_token::{AccessTokenClaims, AccessTokenError, ApiAudience, TokenRequirements};
pub use oidc::access_token_request::{AccessTokenRequest, MachineTokenRequest};
pub use oidc::authorize::{
    DirectSignIn, FirstScreen, Identifier, InteractionMode, SignInError, SignInOptions,
};
pub use oidc::callback::{CallbackError, SignInOutcome};
pub use oidc::claims::Audience;
pub use oidc::device::{DeviceAuthorization, DeviceError, DeviceSignInOptions};
pub use oidc::discovery::{DiscoveryError, OidcProviderMetadata};
pub use oidc::end_session::{Revocation, SignOutOptions, SignOutOutcome};
pub use oidc::id_token::{IdTokenClaims, IdTokenError};
pub use oidc::introspect::Introspection;
pub use oidc::jwt::JwtError;
pub use oidc::logout_token::{LogoutTokenClaims, LogoutTokenError};
pub use oidc::response::{OAuthError, ResponseError};
pub use oidc::token::{ClientCredentialsGrant, CodeGrant, RefreshTokenGrant, TokenResponse};
pub use oidc::token_exchange::{ExchangedTokenType, TokenExchange};
pub use oidc::userinfo::{UserIdentity, UserInfoResponse};
pub use oidc_core::OidcCore;
pub use scopes::{OFFLINE_ACCESS, ReservedResource, Scope, UserInfoScope};
pub use seal::{Argon2Cost, EncryptionKey, EncryptionKeyError, SealError, Sealer, Unsealed};
pub use secret::Secret;
pub use session::{AccessToken, AccessTokenMap, PersistKey, SignInSession};
pub use storage::{
    DEFAULT_IDLE_LIFETIME, EncryptedStorage, IdleLifetime, InvalidSessionId, InvalidSessionOwner,
    LocalLock, LocalLocks, MemoryStorage, MemoryStorageBuilder, Migration, MigrationCounts,
    MigrationError, OwnerDigest, Record, SessionId, SessionKey, SessionOwner, Storage, StorageLock,
    Version, files, migrate,
};
pub use utilities::{
    ORGANIZATION_URN_PREFIX, build_organization_urn, organization_id_from_urn, remove_falsy_keys,
    urlsafe_encode,
};
