//! Tokens for a token ([RFC 8693](https://www.rfc-editor.org/rfc/rfc8693)): impersonation.

use std::fmt;

use super::request::{self, BuiltRequest, ClientCredentials, Form};
use super::token::with_target;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What kind of token is exchanged, by its identifier
/// ([RFC 8693, section 3](https://www.rfc-editor.org/rfc/rfc8693#section-3)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExchangedTokenType<'a> {
    /// `urn:ietf:params:oauth:token-type:access_token`: an access token, or one of Logto's subject tokens,
    /// which the Management API makes for a user.
    #[default]
    AccessToken,
    /// `urn:logto:token-type:personal_access_token`: a user's personal access token.
    PersonalAccessToken,
    /// Any other value.
    Other(&'a str),
}

impl<'a> ExchangedTokenType<'a> {
    /// The type as it is sent.
    pub fn as_str(self) -> &'a str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::PersonalAccessToken => "urn:logto:token-type:personal_access_token",
            Self::Other(token_type) => token_type,
        }
    }
}

/// A token of a user, and what to have for it. The application must be allowed to exchange tokens, in
/// the Logto Console.
///
/// ```no_run
/// # use logto_core as logto;
/// use logto::{Logto, LogtoConfig, TokenExchange};
///
/// # fn example(subject_token: &str) -> Result<(), logto::LogtoError> {
/// let logto = Logto::new(LogtoConfig::from_env()?)?;
/// // Made by the Management API (`POST /api/subject-tokens`) for the user to act as.
/// let tokens = logto.exchange_token(
///     &TokenExchange::new(subject_token).resource("https://api.example.com").scope("read:items"),
/// )?;
/// println!("Authorization: Bearer {}", tokens.access_token.expose());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct TokenExchange<'a> {
    /// The token of the user to act as. Logto takes a subject token once.
    pub subject_token: &'a str,
    /// What kind of token it is.
    pub subject_token_type: ExchangedTokenType<'a>,
    /// The access token of who acts, for the `act` claim of the new token; `None` for nobody in
    /// particular. Logto wants an opaque one with the scope `openid`.
    pub actor_token: Option<&'a str>,
    /// The resource to have a token for; empty for none. An organization's URN asks for that
    /// organization's token.
    pub resource: &'a str,
    /// The organization to have a token for; `None` for none.
    pub organization_id: Option<&'a str>,
    /// The scopes to ask for, separated by spaces; empty for none.
    pub scope: &'a str,
}

impl<'a> TokenExchange<'a> {
    /// The exchange of an access token or a subject token, with the defaults.
    pub fn new(subject_token: &'a str) -> Self {
        Self {
            subject_token,
            subject_token_type: ExchangedTokenType::default(),
            actor_token: None,
            resource: "",
            organization_id: None,
            scope: "",
        }
    }

    /// Sets what kind of token is exchanged. Default: [`ExchangedTokenType::AccessToken`].
    pub fn subject_token_type(mut self, token_type: ExchangedTokenType<'a>) -> Self {
        self.subject_token_type = token_type;
        self
    }

    /// Sets the access token of who acts. Default: none.
    pub fn actor_token(mut self, token: &'a str) -> Self {
        self.actor_token = Some(token);
        self
    }

    /// Sets the resource. Default: none.
    pub fn resource(mut self, resource: &'a str) -> Self {
        self.resource = resource;
        self
    }

    /// Sets the organization. Default: none.
    pub fn organization(mut self, organization_id: &'a str) -> Self {
        self.organization_id = Some(organization_id);
        self
    }

    /// Sets the scopes, separated by spaces. Default: none.
    pub fn scope(mut self, scope: &'a str) -> Self {
        self.scope = scope;
        self
    }

    pub(crate) fn request(&self, endpoint: &str, client: ClientCredentials<'_>) -> BuiltRequest {
        let mut form = Form::default()
            .public("grant_type", GRANT_TYPE)
            .secret("subject_token", self.subject_token)
            .public("subject_token_type", self.subject_token_type.as_str());
        if let Some(token) = self.actor_token {
            form = form
                .secret("actor_token", token)
                .public("actor_token_type", ExchangedTokenType::AccessToken.as_str());
        }
        form = with_target(form, self.resource, self.organization_id);
        request::post_form(endpoint, client, form.public("scope", self.scope))
    }
}

impl fmt::Debug for TokenExchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenExchange")
            .field("subject_token_type", &self.subject_token_type)
            .field("resource", &self.resource)
            .field("organization_id", &self.organization_id)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(exchange: TokenExchange<'_>, secret: Option<&str>) -> String {
        let client = ClientCredentials::new("app", secret);
        let endpoint = "https://foo.logto.app/oidc/token";
        let request = exchange.request(endpoint, client).unwrap();
        String::from_utf8(request.into_body()).unwrap()
    }

    #[test]
    fn the_request_names_the_tokens_and_their_types() {
        let start =
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=s";
        let access = "urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token";
        let exchange = TokenExchange::new("s");
        assert_eq!(
            body(exchange, None),
            format!("{start}&subject_token_type={access}&client_id=app")
        );
        let exchange = exchange
            .actor_token("a")
            .resource("https://a")
            .organization("o")
            .scope("x y");
        assert_eq!(
            body(exchange, Some("secret")),
            format!(
                "{start}&subject_token_type={access}&actor_token=a&actor_token_type={access}\
                 &resource=https%3A%2F%2Fa&organization_id=o&scope=x+y"
            )
        );
        let personal = exchange.subject_token_type(ExchangedTokenType::PersonalAccessToken);
        assert!(body(personal, None).contains("logto%3Atoken-type%3Apersonal_access_token"));
    }

    #[test]
    fn tokens_are_not_printed() {
        let printed = format!("{:?}", TokenExchange::new("hunter2").actor_token("hunter3"));
        assert!(!printed.contains("hunter"), "{printed}");
    }
}
