//! Sign-in on a device without a browser.

use std::time::Duration;

use super::LogtoClient;
use crate::error::LogtoError;
use crate::oidc::callback::SignInOutcome;
use crate::oidc::device::{self, DeviceAuthorization, DeviceError, DeviceSignInOptions, Poll};

impl LogtoClient {
    /// Starts a sign-in for which the user opens a page on another device, such as a telephone
    /// ([RFC 8628](https://www.rfc-editor.org/rfc/rfc8628)). At Logto it needs a *Native* application
    /// that was made for the device flow; such a one cannot sign in by [`sign_in`](Self::sign_in).
    ///
    /// Show the user the code and the URL, and [poll](Self::poll_device_sign_in). Nothing is stored
    /// yet, and nobody is signed out.
    ///
    /// ```no_run
    /// # use logto_core as logto;
    /// # use logto::{DeviceSignInOptions, LogtoClient, LogtoError};
    /// # fn example(client: &LogtoClient) -> Result<(), LogtoError> {
    /// let mut device = client.start_device_sign_in(&DeviceSignInOptions::new())?;
    /// println!("Open {} and enter {}", device.verification_uri, device.user_code);
    /// let signed_in = loop {
    ///     std::thread::sleep(device.interval);
    ///     if let Some(signed_in) = client.poll_device_sign_in(&mut device)? {
    ///         break signed_in;
    ///     }
    /// };
    /// println!("{} is signed in", signed_in.claims.sub);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`DeviceError`] if the server does not support this, or wants the user to be shown what is
    /// not a code or a https URL; [`SignInError`](crate::SignInError) if an option could not work;
    /// else, if the server cannot be asked, or refuses.
    pub fn start_device_sign_in(
        &self,
        options: &DeviceSignInOptions,
    ) -> Result<DeviceAuthorization, LogtoError> {
        device::check_options(options)?;
        let core = self.logto.oidc_core()?;
        core.start_device_authorization(self.config(), options)
    }

    /// Asks the server once whether the user has finished, and returns who it is; `None` if not yet:
    /// ask again after the authorization's `interval`, which a server that is asked too often
    /// lengthens by five seconds.
    ///
    /// Everything of a user who was signed in before is replaced at once. After an error that is
    /// [retryable](LogtoError::is_retryable) or the storage's ask again, later, with the same authorization; after another
    /// one start a new sign-in. Where the tokens have come, and could not be verified or stored for
    /// now, the authorization keeps them, and the next call goes on there without asking the server.
    ///
    /// # Errors
    ///
    /// - [`DeviceError::Expired`] if the codes are no longer valid, and [`DeviceError::AccessDenied`]
    ///   if the user declined.
    /// - [`IdTokenError`](crate::IdTokenError) if the ID token is refused.
    /// - Else, if the server cannot be asked or refuses, or the session cannot be read or written.
    pub fn poll_device_sign_in(
        &self,
        authorization: &mut DeviceAuthorization,
    ) -> Result<Option<SignInOutcome>, LogtoError> {
        if authorization.tokens.is_none() && self.logto.now() >= authorization.expires_at {
            return Err(DeviceError::Expired.into());
        }
        let core = self.logto.oidc_core()?;
        // From before the request, so that a sign-out comes either before the tokens or after them.
        let _lock = self.lock()?;
        let tokens = match authorization.tokens.take() {
            Some(tokens) => tokens,
            None => match core.poll_device(self.config(), &authorization.device_code)? {
                Poll::Pending => return Ok(None),
                Poll::SlowDown => {
                    authorization.interval = device::slower(authorization.interval);
                    return Ok(None);
                }
                Poll::Tokens(tokens) => tokens,
            },
        };
        let stored = self
            .verify(&core, None, (*tokens).clone())
            .and_then(|verified| {
                self.session.change(|draft| {
                    self.sign_in_as(draft, &verified);
                    Ok::<_, LogtoError>(())
                })?;
                Ok(verified.claims)
            });
        match stored {
            Ok(claims) => Ok(Some(SignInOutcome {
                claims,
                post_redirect_uri: None,
            })),
            Err(error) => {
                // The server takes the code no more.
                let is_kept = error.is_retryable() || matches!(error, LogtoError::Storage(_));
                authorization.tokens = is_kept.then_some(tokens);
                Err(error)
            }
        }
    }

    /// For how long the codes of a sign-in on another device are still valid; zero if they are not.
    pub fn device_sign_in_expires_in(&self, authorization: &DeviceAuthorization) -> Duration {
        let left = authorization.expires_at.saturating_sub(self.logto.now());
        Duration::from_secs(u64::try_from(left).unwrap_or_default())
    }
}
