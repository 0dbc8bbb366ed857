//! What tokens and the user info say about a user.

use serde_json::{Map, Value, json};

use crate::scopes::{ORGANIZATION_ROLES, ORGANIZATIONS};
use crate::user::FakeUser;

/// When the users were created, as far as their claims go.
const CREATED_AT: i64 = 1_700_000_000_000;

/// Who reads the claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    IdToken,
    /// The user info has more.
    UserInfo,
}

/// The claims that the scopes give; `updated_at` in milliseconds, as Logto has it.
pub(crate) fn of_user(
    user: &FakeUser,
    scopes: &[String],
    audience: Audience,
    updated_at: i64,
) -> Map<String, Value> {
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), json!(user.id));
    for scope in scopes {
        let more = match scope.as_str() {
            "profile" => profile(user, updated_at),
            "email" => json!({"email": user.email, "email_verified": user.email.is_some()}),
            "phone" => json!({
                "phone_number": user.phone_number,
                "phone_number_verified": user.phone_number.is_some(),
            }),
            "address" => address(user),
            "roles" if !user.roles.is_empty() => json!({"roles": user.roles}),
            ORGANIZATIONS => organizations(user, audience),
            ORGANIZATION_ROLES => organization_roles(user),
            "custom_data" if audience == Audience::UserInfo => {
                json!({"custom_data": user.custom_data})
            }
            "identities" if audience == Audience::UserInfo => {
                json!({"identities": user.identities, "sso_identities": []})
            }
            _ => continue,
        };
        if let Value::Object(more) = more {
            claims.extend(more);
        }
    }
    claims
}

fn profile(user: &FakeUser, updated_at: i64) -> Value {
    let mut claims = user.profile.clone();
    claims.remove("address");
    for (name, value) in [("name", &user.name), ("picture", &user.picture)] {
        claims.insert(name.to_owned(), json!(value));
    }
    claims.insert("username".to_owned(), json!(user.username));
    claims
        .entry("preferred_username")
        .or_insert_with(|| json!(user.username));
    claims.insert("updated_at".to_owned(), json!(updated_at));
    claims.insert("created_at".to_owned(), json!(CREATED_AT));
    Value::Object(claims)
}

fn address(user: &FakeUser) -> Value {
    match user.profile.get("address") {
        Some(address) => json!({ "address": address }),
        None => json!({}),
    }
}

fn organizations(user: &FakeUser, audience: Audience) -> Value {
    let ids: Vec<_> = user.organizations.iter().map(|one| &one.id).collect();
    let mut claims = json!({ "organizations": ids });
    if audience == Audience::UserInfo {
        claims["organization_data"] = user
            .organizations
            .iter()
            .map(|one| json!({"id": one.id, "name": one.name, "description": null}))
            .collect();
    }
    claims
}

fn organization_roles(user: &FakeUser) -> Value {
    let roles: Vec<_> = user
        .organizations
        .iter()
        .flat_map(|one| {
            one.roles
                .iter()
                .map(move |role| format!("{}:{role}", one.id))
        })
        .collect();
    json!({ "organization_roles": roles })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scopes;

    #[test]
    fn unset_values_are_null_as_at_logto() {
        let bob = FakeUser::new("bob");
        let scopes = scopes::split("openid profile email roles urn:logto:scope:organizations");
        let claims = of_user(&bob, &scopes, Audience::UserInfo, 7);
        let expected = json!({
            "sub": "bob",
            "name": null,
            "preferred_username": "bob",
            "picture": null,
            "updated_at": 7,
            "username": "bob",
            "created_at": CREATED_AT,
            "email": null,
            "email_verified": false,
            "organizations": [],
            "organization_data": [],
        });
        assert_eq!(Value::Object(claims), expected);
    }

    #[test]
    fn some_claims_are_only_in_the_user_info() {
        let alice = FakeUser::new("alice").custom_data(json!({"team": "blue"}));
        let scopes = scopes::split("openid custom_data identities");
        let id_token = of_user(&alice, &scopes, Audience::IdToken, 7);
        assert_eq!(Value::Object(id_token), json!({"sub": "alice"}));
        let user_info = of_user(&alice, &scopes, Audience::UserInfo, 7);
        assert_eq!(user_info["custom_data"], json!({"team": "blue"}));
        assert_eq!(user_info["sso_identities"], json!([]));
    }
}
