//! Who is signed in and what they have.

use std::collections::BTreeMap;

use super::LogtoClient;
use super::refresh::ServingToken;
use super::session::Snapshot;
use crate::error::LogtoError;
use crate::oidc::access_token_request::AccessTokenRequest;
use crate::oidc::id_token::IdTokenClaims;
use crate::oidc::userinfo::UserInfoResponse;
use crate::oidc_core::OidcCore;
use crate::secret::Secret;
use crate::session::PersistKey;

/// What [`LogtoClient::context`] is to have. By default only what the session has stored.
///
/// ```
/// # use logto_core as logto;
/// use logto::ContextOptions;
///
/// let options = ContextOptions::new().user_info(true).organization_tokens(true);
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContextOptions<'a> {
    /// Whether user information is fetched.
    pub user_info: bool,
    /// The access token to have; `None` for none.
    pub access_token: Option<AccessTokenRequest<'a>>,
    /// Whether a token is had for every organization in the ID token.
    pub organization_tokens: bool,
}

impl<'a> ContextOptions<'a> {
    /// Only what the session has stored.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether user information is fetched. Default: no.
    pub fn user_info(mut self, fetch: bool) -> Self {
        self.user_info = fetch;
        self
    }

    /// Sets the access token to have. Default: none.
    pub fn access_token(mut self, request: impl Into<AccessTokenRequest<'a>>) -> Self {
        self.access_token = Some(request.into());
        self
    }

    /// Sets whether a token is had for every organization in the ID token. Default: no.
    pub fn organization_tokens(mut self, have: bool) -> Self {
        self.organization_tokens = have;
        self
    }
}

/// Who is signed in and what they have.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct LogtoContext {
    /// Whether a user is signed in.
    pub is_authenticated: bool,
    /// The claims of the ID token; `None` if nobody is signed in.
    pub claims: Option<IdTokenClaims>,
    /// The user information; `None` if it was not asked for, or nobody is signed in.
    pub user_info: Option<UserInfoResponse>,
    /// The access token; `None` if it was not asked for, or nobody is signed in.
    pub access_token: Option<Secret>,
    /// A token for each organization, by its id; empty if they were not asked for.
    pub organization_tokens: BTreeMap<String, Secret>,
}

impl LogtoClient {
    /// Whether a user is signed in: whether the session has an ID token. Asks the storage only; the
    /// server may have ended the session meanwhile.
    ///
    /// # Errors
    ///
    /// If the session cannot be read, which is not the same as nobody being signed in.
    #[doc(alias = "isAuthenticated")]
    pub fn is_authenticated(&self) -> Result<bool, LogtoError> {
        Ok(self.session.load()?.data.id_token.is_some())
    }

    /// The ID token, as it came from the server; `None` if nobody is signed in.
    ///
    /// # Errors
    ///
    /// If the session cannot be read.
    #[doc(alias = "getIdToken")]
    pub fn id_token(&self) -> Result<Option<String>, LogtoError> {
        Ok(self.session.get(PersistKey::IdToken)?)
    }

    /// The claims of the ID token: who is signed in, as of the sign-in or the last refresh. They were
    /// verified before they were stored.
    ///
    /// # Errors
    ///
    /// [`LogtoError::NotAuthenticated`] if nobody is signed in; else, if the session cannot be read.
    #[doc(alias = "getIdTokenClaims")]
    pub fn id_token_claims(&self) -> Result<IdTokenClaims, LogtoError> {
        claims_of(&self.session.load()?)
    }

    /// The refresh token; `None` if there is none. Do not send it to the server yourself: the client
    /// would not know of the rotated one.
    ///
    /// # Errors
    ///
    /// If the session cannot be read.
    #[doc(alias = "getRefreshToken")]
    pub fn refresh_token(&self) -> Result<Option<String>, LogtoError> {
        Ok(self.session.get(PersistKey::RefreshToken)?)
    }

    /// Fetches what the server knows of the user now: also what is not in the ID token, such as
    /// custom data. Refreshes the access token if need be, also where the server no longer takes one
    /// that looked fresh.
    ///
    /// # Errors
    ///
    /// Where [`requires_sign_in`](LogtoError::requires_sign_in): nobody is signed in, the server has
    /// ended the session, or the session is [another server's](LogtoError::SessionIssuerMismatch) or
    /// [another application's](LogtoError::SessionAudienceMismatch), and
    /// no token was sent. [`LogtoError::UserInfoSubjectMismatch`] if the answer is about somebody else.
    /// Else, if the server cannot be asked or refuses, or the session cannot be read.
    #[doc(alias = "fetchUserInfo")]
    pub fn fetch_user_info(&self) -> Result<UserInfoResponse, LogtoError> {
        match self.user_info_with(&AccessTokenRequest::new()) {
            Err(error) if is_token_refused(&error) => {
                self.user_info_with(&AccessTokenRequest::new().force_refresh(true))
            }
            result => result,
        }
    }

    fn user_info_with(
        &self,
        request: &AccessTokenRequest<'_>,
    ) -> Result<UserInfoResponse, LogtoError> {
        let serving = self.checked_token(request)?;
        let ServingToken { token, session } = serving.ok_or(LogtoError::NotAuthenticated)?;
        let core = self.logto.oidc_core()?;
        let claims = claims_of(&session)?;
        self.check_session(Some(&claims), &core)?;
        let user_info = core.fetch_user_info(token.expose())?;
        match user_info.sub == claims.sub {
            true => Ok(user_info),
            false => Err(LogtoError::UserInfoSubjectMismatch),
        }
    }

    /// Who is signed in and what they have, in one call: for the start of a page.
    ///
    /// ```no_run
    /// # use logto_core as logto;
    /// # use logto::{ContextOptions, LogtoClient, LogtoError};
    /// # fn example(client: &LogtoClient) -> Result<(), LogtoError> {
    /// let context = client.context(ContextOptions::new().user_info(true))?;
    /// match context.claims {
    ///     Some(claims) => println!("Hello, {}", claims.name.unwrap_or(claims.sub)),
    ///     None => println!("Sign in, please"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If something that was asked for cannot be had from a user who is signed in; see
    /// [`access_token`](Self::access_token) and [`fetch_user_info`](Self::fetch_user_info). That is
    /// not the same as nobody being signed in, which is no error here.
    #[doc(alias = "getContext")]
    pub fn context(&self, options: ContextOptions<'_>) -> Result<LogtoContext, LogtoError> {
        let session = self.session.load()?;
        if session.data.id_token.is_none() {
            return Ok(LogtoContext::default());
        }
        let claims = claims_of(&session)?;
        let mut context = LogtoContext {
            is_authenticated: true,
            ..LogtoContext::default()
        };
        if options.user_info {
            let user_info = self.fetch_user_info()?;
            if user_info.sub != claims.sub {
                return Err(LogtoError::NotAuthenticated);
            }
            context.user_info = Some(user_info);
        }
        if let Some(request) = options.access_token {
            context.access_token = Some(self.token_of(&claims, &request)?);
        }
        if options.organization_tokens {
            for organization in claims.organizations.iter().flatten() {
                let request = AccessTokenRequest::new().organization(organization);
                let token = self.token_of(&claims, &request)?;
                let tokens = &mut context.organization_tokens;
                tokens.insert(organization.clone(), token);
            }
        }
        context.claims = Some(claims);
        Ok(context)
    }

    /// An access token of this user. Another user may have signed in meanwhile.
    fn token_of(
        &self,
        claims: &IdTokenClaims,
        request: &AccessTokenRequest<'_>,
    ) -> Result<Secret, LogtoError> {
        let serving = self.checked_token(request)?;
        let serving = serving.ok_or(LogtoError::NotAuthenticated)?;
        match claims_of(&serving.session)?.sub == claims.sub {
            true => Ok(serving.token),
            false => Err(LogtoError::NotAuthenticated),
        }
    }
}

/// The claims of the session's ID token, which were verified before it was saved.
fn claims_of(session: &Snapshot) -> Result<IdTokenClaims, LogtoError> {
    let id_token = session.data.id_token.as_ref();
    OidcCore::decode_id_token(id_token.ok_or(LogtoError::NotAuthenticated)?.expose())
}

fn is_token_refused(error: &LogtoError) -> bool {
    error
        .oauth_error()
        .is_some_and(|error| error.status == Some(401) && error.error == "invalid_token")
}
