//! What the server knows of an opaque token.

use super::{ANSWER_LIMIT, OidcCore};
use crate::error::{DiscoveryError, LogtoError};
use crate::models::Introspection;
use crate::oidc::client_auth::ClientCredentials;
use crate::oidc::introspect;

impl OidcCore {
    /// Asks the server what it knows of an opaque token
    /// ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)), as a client with a secret. A token that is not
    /// good is no error: [`active`](Introspection::active) is then `false`.
    ///
    /// # Errors
    ///
    /// [`AccessTokenError::NotOpaque`](crate::AccessTokenError::NotOpaque) if it is a JWT, which is not
    /// sent; [`DiscoveryError::MissingEndpoint`] if the server has no endpoint for it; else, if the server
    /// cannot be asked, refuses, or answers with something else.
    pub fn introspect(
        &self,
        client_id: &str,
        client_secret: &str,
        token: &str,
    ) -> Result<Introspection, LogtoError> {
        introspect::check_opaque(token)?;
        let endpoint = self.metadata.introspection_endpoint.as_deref();
        let endpoint = endpoint.ok_or(DiscoveryError::MissingEndpoint {
            name: "introspection_endpoint",
        })?;
        let client = ClientCredentials {
            id: client_id,
            secret: Some(client_secret),
        };
        let request = introspect::request(endpoint, client, token);
        introspect::response(&self.link.send(request, ANSWER_LIMIT)?)
    }
}
