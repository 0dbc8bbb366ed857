//! The users, and who of them sits at the browser.

use crate::scopes;
use crate::user::FakeUser;

/// All users.
#[derive(Debug)]
pub(crate) struct People {
    users: Vec<FakeUser>,
    /// The id of the one who signs in next.
    next: Option<String>,
}

impl People {
    /// The first one is the one who signs in next.
    pub(crate) fn new(users: Vec<FakeUser>) -> Self {
        let next = users.first().map(|user| user.id.clone());
        Self { users, next }
    }

    pub(crate) fn all(&self) -> &[FakeUser] {
        &self.users
    }

    pub(crate) fn get(&self, id: &str) -> Option<&FakeUser> {
        self.users.iter().find(|user| user.id == id)
    }

    /// Adds a user, in place of one of the same id.
    pub(crate) fn put(&mut self, user: FakeUser) {
        match self.users.iter_mut().find(|one| one.id == user.id) {
            Some(known) => *known = user,
            None => self.users.push(user),
        }
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.users.retain(|user| user.id != id);
    }

    pub(crate) fn next(&self) -> Option<&FakeUser> {
        self.next.as_deref().and_then(|id| self.get(id))
    }

    pub(crate) fn set_next(&mut self, id: &str) {
        self.next = Some(id.to_owned());
    }

    /// Whether the scope is a permission that anyone has in an organization.
    pub(crate) fn is_organization_permission(&self, scope: &str) -> bool {
        self.users
            .iter()
            .flat_map(|user| &user.organizations)
            .any(|membership| scopes::has(&membership.permissions, scope))
    }
}
