//! An access token that is good.

use std::sync::Arc;

use crate::models::AccessTokenClaims;

/// What a verified access token says. `Clone` is cheap and shares it.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedAccessToken {
    inner: Arc<Inner>,
}

#[derive(Debug, PartialEq)]
struct Inner {
    claims: AccessTokenClaims,
    organization_id: Option<String>,
}

impl VerifiedAccessToken {
    pub(super) fn new(claims: AccessTokenClaims, organization_id: Option<String>) -> Self {
        Self {
            inner: Arc::new(Inner {
                claims,
                organization_id,
            }),
        }
    }

    /// All that it says: the user as `sub`, the application as `client_id`, your own claims by
    /// [`extra_as`](AccessTokenClaims::extra_as).
    pub fn claims(&self) -> &AccessTokenClaims {
        &self.inner.claims
    }

    /// The organization that it is for: that of its audience
    /// (`urn:logto:organization:<organization_id>`) or of the claim `organization_id`; `None` if it is for
    /// none.
    pub fn organization_id(&self) -> Option<&str> {
        self.inner.organization_id.as_deref()
    }

    /// Whether exactly this scope is granted.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.inner.claims.has_scope(scope)
    }
}
