//! Sign-in on a device, over the HTTP client.

use super::{ANSWER_LIMIT, OidcCore};
use crate::config::LogtoConfig;
use crate::error::{DeviceError, LogtoError};
use crate::models::{DeviceAuthorization, DeviceSignInOptions};
use crate::oidc::device::{self, Poll};
use crate::secret::Secret;

impl OidcCore {
    /// Starts a sign-in on a device.
    pub(crate) fn start_device_authorization(
        &self,
        config: &LogtoConfig,
        options: &DeviceSignInOptions,
    ) -> Result<DeviceAuthorization, LogtoError> {
        let endpoint = self.metadata.device_authorization_endpoint.as_ref();
        let endpoint = endpoint.ok_or(DeviceError::Unsupported)?;
        let request = device::start_request(endpoint, config, options);
        let answer = self.link.send(request, ANSWER_LIMIT)?;
        device::start_response(&answer, self.now(), self.link.allow_insecure_http)
    }

    /// Asks once whether the user of a device has signed in. The ID token is not verified yet.
    pub(crate) fn poll_device(
        &self,
        config: &LogtoConfig,
        device_code: &Secret,
    ) -> Result<Poll, LogtoError> {
        let request = device::poll_request(&self.metadata.token_endpoint, config, device_code);
        device::poll_response(&self.link.send(request, ANSWER_LIMIT)?)
    }
}
