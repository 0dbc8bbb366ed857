//! A token goes to the server that issued it, and to no other, and is shown by the application that it was
//! issued to ([RFC 6749, sections 10.3 and 10.4](https://www.rfc-editor.org/rfc/rfc6749#section-10.3)). Which
//! these are, the `iss` and `aud` of the session's ID token say: the program may be configured for others since.

use super::LogtoClient;
use super::stored::SessionLock;
use crate::error::{LogtoError, StorageError, StorageErrorKind};
use crate::models::IdTokenClaims;
use crate::oidc_core::OidcCore;
use crate::secret::Secret;
use crate::storage::PersistKey;

/// How often the tokens are read anew because somebody without the lock has replaced the session.
const MOST_READS: usize = 3;

/// What a session has for its server; of one session, whoever writes to it meanwhile.
pub(super) struct SessionTokens {
    /// The one to send next.
    pub refresh_token: Option<Secret>,
    pub id_token: Option<Secret>,
}

impl SessionTokens {
    pub fn claims(&self) -> Option<IdTokenClaims> {
        claims(self.id_token.as_ref())
    }
}

impl LogtoClient {
    /// Without a lock of the storage, others may put another session in the place of the first one
    /// between two reads.
    pub(super) fn session_tokens(
        &self,
        lock: &SessionLock<'_>,
    ) -> Result<SessionTokens, StorageError> {
        for _ in 0..MOST_READS {
            let tokens = SessionTokens {
                refresh_token: self.stored_refresh_token()?,
                id_token: self.stored_token(PersistKey::IdToken)?,
            };
            if lock.is_of_the_storage() || self.stored_refresh_token()? == tokens.refresh_token {
                return Ok(tokens);
            }
        }
        let message = "others go on writing to the session while its tokens are read";
        Err(StorageError::new(StorageErrorKind::Busy, message))
    }

    /// To be called before a token of the session is sent. One without an ID token does not say whose its
    /// tokens are.
    pub(super) fn check_session(
        &self,
        session: Option<&IdTokenClaims>,
        core: &OidcCore,
    ) -> Result<(), LogtoError> {
        let Some(claims) = session else {
            return Ok(());
        };
        if claims.iss != core.metadata().issuer {
            return Err(LogtoError::SessionIssuerMismatch);
        }
        match claims.aud.contains(&self.config().app_id) {
            true => Ok(()),
            false => Err(LogtoError::SessionAudienceMismatch),
        }
    }
}

/// What a stored ID token says; `None` if that cannot be read, or there is none.
pub(super) fn claims(id_token: Option<&Secret>) -> Option<IdTokenClaims> {
    OidcCore::decode_id_token(id_token?.expose()).ok()
}
