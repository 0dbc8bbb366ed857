//! The users that a fake server knows.

use serde_json::{Map, Value, json};

/// A user of the fake server.
///
/// ```
/// use logto_testing::FakeUser;
///
/// let alice = FakeUser::new("alice")
///     .name("Alice Example")
///     .email("alice@example.test")
///     .role("item-user")
///     .organization("org_1", "Acme", ["admin"])
///     .organization_permissions("org_1", ["org:read"]);
/// ```
#[derive(Clone, Debug)]
pub struct FakeUser {
    pub(crate) id: String,
    pub(crate) username: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) picture: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) phone_number: Option<String>,
    pub(crate) profile: Map<String, Value>,
    pub(crate) custom_data: Value,
    pub(crate) identities: Value,
    pub(crate) roles: Vec<String>,
    pub(crate) organizations: Vec<Membership>,
    permissions: Option<Vec<String>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) roles: Vec<String>,
    pub(crate) permissions: Vec<String>,
}

impl FakeUser {
    /// A user with this id (the `sub` of their tokens), which is their user name too.
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        Self {
            username: Some(id.clone()),
            id,
            name: None,
            picture: None,
            email: None,
            phone_number: None,
            profile: Map::new(),
            custom_data: json!({}),
            identities: json!({}),
            roles: Vec::new(),
            organizations: Vec::new(),
            permissions: None,
        }
    }

    /// Sets the user name. Default: the id.
    #[must_use]
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// Sets the full name. Default: none, which tokens show as `null`.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the URL of the picture. Default: none, which tokens show as `null`.
    #[must_use]
    pub fn picture(mut self, url: impl Into<String>) -> Self {
        self.picture = Some(url.into());
        self
    }

    /// Sets the email address, as a verified one. Default: none, which tokens show as `null`.
    #[must_use]
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// Sets the telephone number, as a verified one. Default: none, which tokens show as `null`.
    #[must_use]
    pub fn phone_number(mut self, number: impl Into<String>) -> Self {
        self.phone_number = Some(number.into());
        self
    }

    /// Sets another claim of the scope `profile`, such as `given_name`, or `address`.
    /// Default: none, and none is shown.
    #[must_use]
    pub fn profile(mut self, claim: impl Into<String>, value: impl Into<Value>) -> Self {
        self.profile.insert(claim.into(), value.into());
        self
    }

    /// Sets the custom data. Default: `{}`.
    #[must_use]
    pub fn custom_data(mut self, data: Value) -> Self {
        self.custom_data = data;
        self
    }

    /// Sets the identities at social connectors, by connector. Default: `{}`.
    #[must_use]
    pub fn identities(mut self, identities: Value) -> Self {
        self.identities = identities;
        self
    }

    /// Adds a role. Default: no role, and no `roles` claim.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Makes the user a member of an organization, with these roles in it. Default: of none.
    #[must_use]
    pub fn organization<R: Into<String>>(
        mut self,
        id: impl Into<String>,
        name: impl Into<String>,
        roles: impl IntoIterator<Item = R>,
    ) -> Self {
        self.organizations.push(Membership {
            id: id.into(),
            name: name.into(),
            roles: roles.into_iter().map(Into::into).collect(),
            permissions: Vec::new(),
        });
        self
    }

    /// Gives the user permissions in an organization that they are a member of: the scopes that
    /// their organization tokens can have. Default: none.
    #[must_use]
    pub fn organization_permissions<P: Into<String>>(
        mut self,
        id: &str,
        permissions: impl IntoIterator<Item = P>,
    ) -> Self {
        if let Some(membership) = self.organizations.iter_mut().find(|one| one.id == id) {
            membership
                .permissions
                .extend(permissions.into_iter().map(Into::into));
        }
        self
    }

    /// Limits the user to these scopes of all resources. Default: every scope of every resource.
    #[must_use]
    pub fn permissions<P: Into<String>>(
        mut self,
        permissions: impl IntoIterator<Item = P>,
    ) -> Self {
        self.permissions = Some(permissions.into_iter().map(Into::into).collect());
        self
    }

    pub(crate) fn has_permission(&self, scope: &str) -> bool {
        match &self.permissions {
            Some(permissions) => permissions.iter().any(|permission| permission == scope),
            None => true,
        }
    }

    pub(crate) fn membership(&self, organization: &str) -> Option<&Membership> {
        self.organizations.iter().find(|one| one.id == organization)
    }

    /// What a person calls this user.
    pub(crate) fn display_name(&self) -> &str {
        self.name
            .as_deref()
            .or(self.username.as_deref())
            .unwrap_or(&self.id)
    }
}
