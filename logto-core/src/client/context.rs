//! Who is signed in and what they have, in one call.

use std::collections::BTreeMap;

use super::LogtoClient;
use crate::error::LogtoError;
use crate::models::{AccessTokenRequest, IdTokenClaims, UserInfoResponse};
use crate::secret::Secret;

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
        loop {
            let context = self.context_now(options)?;
            // A sign-in in between would mix two users.
            let subject = match self.is_authenticated()? {
                true => Some(self.id_token_claims()?.sub),
                false => None,
            };
            if subject.as_ref() == context.claims.as_ref().map(|claims| &claims.sub) {
                return Ok(context);
            }
        }
    }

    fn context_now(&self, options: ContextOptions<'_>) -> Result<LogtoContext, LogtoError> {
        if !self.is_authenticated()? {
            return Ok(LogtoContext::default());
        }
        let claims = self.id_token_claims()?;
        let mut context = LogtoContext {
            is_authenticated: true,
            ..LogtoContext::default()
        };
        if options.user_info {
            context.user_info = Some(self.fetch_user_info()?);
        }
        if let Some(request) = options.access_token {
            context.access_token = Some(self.needed_token(request)?);
        }
        if options.organization_tokens {
            for organization in claims.organizations.iter().flatten() {
                let request = AccessTokenRequest::new().organization(organization);
                let token = self.needed_token(request)?;
                context
                    .organization_tokens
                    .insert(organization.clone(), token);
            }
        }
        context.claims = Some(claims);
        Ok(context)
    }

    fn needed_token(&self, request: AccessTokenRequest<'_>) -> Result<Secret, LogtoError> {
        let token = self.access_token(request)?;
        token.map(Secret::from).ok_or(LogtoError::NotAuthenticated)
    }
}
