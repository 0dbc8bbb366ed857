//! Users of devices.

use super::FakeLogto;
use crate::clock::milliseconds;
use crate::provider::device_authorization;

/// The device flow.
///
/// What a device has to bear is made with the means for any endpoint: `slow_down` is a
/// [`Misbehaviour::Error`](crate::Misbehaviour::Error) of
/// [`Endpoint::Token`](crate::Endpoint::Token), an `interval`, which Logto does not send, is put into
/// the answer of [`Endpoint::DeviceAuthorization`](crate::Endpoint::DeviceAuthorization) by
/// [`tamper_response`](Self::tamper_response), and codes expire after ten minutes of the
/// [`clock`](Self::clock).
impl FakeLogto {
    /// The user codes that devices show and no user has dealt with, the oldest first.
    pub fn pending_devices(&self) -> Vec<String> {
        let now = milliseconds(self.provider.clock());
        self.provider.store().read().grants.devices.user_codes(now)
    }

    /// Lets the user enter the code that a device shows, and sign in on it.
    ///
    /// # Panics
    ///
    /// If no device waits with this code, or there is no user with this id.
    pub fn approve_device(&self, user_code: &str, user: &str) {
        let known = self.provider.people().get(user).is_some();
        assert!(known, "there is no user {user:?}");
        let approved = device_authorization::approve(&self.provider, user_code, user);
        assert!(approved, "no device waits with the code {user_code:?}");
    }

    /// Lets a user enter the code that a device shows, and turn it away.
    ///
    /// # Panics
    ///
    /// If no device waits with this code.
    pub fn deny_device(&self, user_code: &str) {
        let denied = device_authorization::deny(&self.provider, user_code);
        assert!(denied, "no device waits with the code {user_code:?}");
    }
}
