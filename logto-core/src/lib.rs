//! The protocol and the client of the Logto SDK, and the [`Storage`] trait that backends implement.
//!
//! Applications use the crate `logto`, which hands on everything here and the storages. A storage
//! backend depends on this crate.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod access_token_verifier;
mod cached;
// mod client;
mod clock;
mod config;
mod crypto;
mod error;
mod http;
mod logto;
mod models;
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
pub use clock::{Clock, SystemClock};
pub use config::LogtoConfig;
pub use error::{
    AccessTokenError, CallbackError, ConfigError, DeviceError, DiscoveryError, HttpError,
    IdTokenError, JwtError, LogoutTokenError, LogtoError, OAuthError, ResponseError, SignInError,
    StorageError, StorageErrorKind,
};
pub use http::{ConnectWithin, HttpClient, UreqClient};
pub use logto::{Dangerous, Logto, LogtoBuilder, VerifiedLogoutToken};
pub use models::{
    AccessTokenClaims, AccessTokenRequest, ApiAudience, Audience, DeviceAuthorization,
    DeviceSignInOptions, DirectSignIn, FirstScreen, IdTokenClaims, Identifier, InteractionMode,
    Introspection, LogoutTokenClaims, MachineTokenRequest, OidcProviderMetadata, Prompt,
    Requirements, Revocation, SignInOptions, SignOut, SignOutOptions, SignedIn, TokenResponse,
    UserIdentity, UserInfoResponse,
};
pub use oidc::client_credentials::ClientCredentialsGrant;
pub use oidc::token::{CodeGrant, RefreshTokenGrant};
pub use oidc::token_exchange::{ExchangedTokenType, TokenExchange};
pub use oidc_core::OidcCore;
pub use scopes::{OFFLINE_ACCESS, ReservedResource, Scope, UserInfoScope};
pub use seal::{Argon2Cost, EncryptionKey, EncryptionKeyError, Opened, SealError, Sealer};
pub use secret::Secret;
pub use session::{AccessToken, AccessTokenMap, SignInSession};
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
