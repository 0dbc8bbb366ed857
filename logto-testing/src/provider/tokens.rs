//! Making tokens.

use serde_json::{Map, Value, json};

use super::Provider;
use super::token::TokenRequest;
use crate::claims::{self, Audience};
use crate::grants::{AccessToken, Grant};
use crate::keys::SignatureFault;
use crate::misbehaviour::{Misbehaviour, TamperIdToken};
use crate::random::token;
use crate::scopes::{self, OPENID};
use crate::user::FakeUser;

const ID_TOKEN_LIFETIME: i64 = 3600;

/// What is wrong with the tokens on purpose.
#[derive(Default)]
pub(super) struct Faults {
    signature: Option<SignatureFault>,
    expired_id_token: bool,
    tampering: Option<TamperIdToken>,
}

impl Faults {
    pub(super) fn planned(provider: &Provider, misbehaviour: Option<&Misbehaviour>) -> Self {
        Self {
            signature: match misbehaviour {
                Some(Misbehaviour::WrongSignature) => Some(SignatureFault::WrongSignature),
                Some(Misbehaviour::UnknownKey) => Some(SignatureFault::UnknownKey),
                _ => None,
            },
            expired_id_token: misbehaviour == Some(&Misbehaviour::ExpiredIdToken),
            tampering: provider.misbehaviours().id_token_tampering(),
        }
    }
}

/// What an access token is for.
#[derive(Debug)]
pub(super) enum Target {
    UserInfo,
    Audience {
        audience: String,
        /// An organization in which the token is used at a resource.
        organization: Option<String>,
    },
}

/// What a JSON Web Token for a resource or an organization says.
#[derive(Debug)]
pub(super) struct JwtClaims<'a> {
    pub(super) subject: &'a str,
    pub(super) audience: &'a str,
    /// An organization in which the token is used at a resource.
    pub(super) organization: Option<&'a str>,
    pub(super) scope: Option<&'a str>,
    /// Who acts for the subject.
    pub(super) actor: Option<&'a str>,
}

/// Tokens to be issued from a grant.
pub(super) struct Issue<'a> {
    pub(super) grant_id: &'a str,
    pub(super) grant: &'a Grant,
    pub(super) user: &'a FakeUser,
    pub(super) target: Target,
    /// Of the access token.
    pub(super) scope: Vec<String>,
    /// Those which the ID token tells about; without `openid` there is no ID token.
    pub(super) id_token_scopes: &'a [String],
    pub(super) refresh_token: Option<String>,
}

impl Target {
    pub(super) fn of_organization(id: &str) -> Self {
        Self::Audience {
            audience: format!("urn:logto:organization:{id}"),
            organization: None,
        }
    }
}

impl TokenRequest<'_> {
    /// The body of the answer.
    pub(super) fn issue(&self, issue: Issue<'_>) -> Value {
        let scope = issue.scope.join(" ");
        let access_token = match &issue.target {
            Target::UserInfo => self.opaque(issue.grant_id, &scope),
            Target::Audience {
                audience,
                organization,
            } => self.jwt(&JwtClaims {
                subject: &issue.user.id,
                audience,
                organization: organization.as_deref(),
                scope: Some(&scope),
                actor: None,
            }),
        };
        let mut body = json!({
            "access_token": access_token,
            "expires_in": self.lifetime(),
            "scope": scope,
            "token_type": "Bearer",
        });
        if scopes::has(issue.id_token_scopes, OPENID) {
            body["id_token"] = json!(self.id_token(&issue));
        }
        if let Some(refresh_token) = issue.refresh_token {
            body["refresh_token"] = json!(refresh_token);
        }
        body
    }

    /// A JSON Web Token for a resource or an organization.
    pub(super) fn jwt(&self, wanted: &JwtClaims<'_>) -> String {
        let issued_at = self.now / 1000;
        let mut claims = Map::new();
        let mut put = |claim: &str, value: Value| claims.insert(claim.to_owned(), value);
        put("jti", json!(token()));
        put("sub", json!(wanted.subject));
        put("iat", json!(issued_at));
        put("exp", json!(issued_at + self.lifetime()));
        put("client_id", json!(self.app.id));
        put("iss", json!(self.provider.issuer()));
        put("aud", json!(wanted.audience));
        if let Some(scope) = wanted.scope {
            put("scope", json!(scope));
        }
        if let Some(actor) = wanted.actor {
            put("act", json!({"sub": actor}));
        }
        if let Some(organization) = wanted.organization {
            put("organization_id", json!(organization));
        }
        let kept = self.provider.store.read();
        let mut header = kept.keys.header(self.faults.signature);
        header.insert("typ".to_owned(), json!("at+jwt"));
        kept.keys
            .sign(&header.into(), &claims.into(), self.faults.signature)
    }

    /// How long access tokens live, in seconds.
    pub(super) fn lifetime(&self) -> i64 {
        let lifetime = self.provider.setup.access_token_lifetime.as_secs();
        i64::try_from(lifetime).unwrap_or(i64::MAX)
    }

    pub(super) fn opaque(&self, grant_id: &str, scope: &str) -> String {
        let access_token = AccessToken {
            grant: grant_id.to_owned(),
            scope: scope.to_owned(),
            issued_at: self.now,
            expires_at: self
                .now
                .saturating_add(self.lifetime().saturating_mul(1000)),
        };
        self.provider
            .store
            .change(|kept| kept.grants.issue_access_token(access_token))
    }

    fn id_token(&self, issue: &Issue<'_>) -> String {
        let mut claims = self.id_token_claims(issue);
        let mut header = {
            let kept = self.provider.store.read();
            kept.keys.header(self.faults.signature)
        };
        if let Some(tamper) = &self.faults.tampering {
            tamper(&mut header, &mut claims);
        }
        let kept = self.provider.store.read();
        kept.keys
            .sign(&header.into(), &claims.into(), self.faults.signature)
    }

    fn id_token_claims(&self, issue: &Issue<'_>) -> Map<String, Value> {
        let mut claims = claims::of_user(
            issue.user,
            issue.id_token_scopes,
            Audience::IdToken,
            issue.grant.signed_in_at,
        );
        let issued_at = match self.faults.expired_id_token {
            true => self.now / 1000 - 2 * ID_TOKEN_LIFETIME,
            false => self.now / 1000,
        };
        let mut put = |claim: &str, value: Value| claims.insert(claim.to_owned(), value);
        if let Some(nonce) = &issue.grant.nonce {
            put("nonce", json!(nonce));
        }
        if let Some(auth_time) = issue.grant.auth_time {
            put("auth_time", json!(auth_time));
        }
        if let Some(sid) = &issue.grant.sid {
            put("sid", json!(sid));
        }
        put("aud", json!(self.app.id));
        put("iat", json!(issued_at));
        put("exp", json!(issued_at + ID_TOKEN_LIFETIME));
        put("iss", json!(self.provider.issuer()));
        claims
    }
}
