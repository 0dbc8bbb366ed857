//! Sign-in by a browser on another device.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use logto_core::{DeviceAuthorization, DeviceSignInOptions, LogtoClient, SignInOutcome};

use super::cancel::Cancel;
use super::error::DesktopError;
use super::terminal;

/// The longest pause after failures in a row.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// Signs the user in by a page that they open on any device, such as their telephone: for machines
/// without a browser ([RFC 8628](https://www.rfc-editor.org/rfc/rfc8628)). Blocks until they have
/// finished, and returns who it is. At Logto it needs a *Native* application that was made for
/// the device flow; such a one cannot sign in by [`sign_in`](super::sign_in).
///
/// While the server cannot be asked it is asked again, ever more slowly, until the code expires.
///
/// ```no_run
/// # fn example(client: &logto::LogtoClient) -> Result<(), logto::desktop::DesktopError> {
/// use logto::desktop::{self, DesktopDeviceOptions};
///
/// // Shows the address, the code and a QR code in the terminal.
/// let signed_in = desktop::device_sign_in(client, &DesktopDeviceOptions::new())?;
/// println!("{} is signed in", signed_in.claims.sub);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// - [`DesktopError::Cancelled`] and [`DesktopError::TimedOut`].
/// - [`DesktopError::Logto`] with what [`LogtoClient::start_device_sign_in`] and
///   [`LogtoClient::poll_device_sign_in`] report.
pub fn device_sign_in(
    client: &LogtoClient,
    options: &DesktopDeviceOptions,
) -> Result<SignInOutcome, DesktopError> {
    let mut device = client.start_device_sign_in(&options.request)?;
    (options.show)(&device);
    let mut pauses = Pauses::new(options);
    let mut failures = 0;
    let mut pause = device.interval;
    loop {
        pauses.pause(pause)?;
        match client.poll_device_sign_in(&mut device) {
            Ok(Some(signed_in)) => return Ok(signed_in),
            Ok(None) => {
                failures = 0;
                pause = device.interval;
            }
            Err(error) if error.is_retryable() => {
                log::debug!("the server could not be asked, and will be again: {error}");
                failures += 1;
                let asked_for = error.retry_after().unwrap_or_default();
                let left = client.device_sign_in_expires_in(&device);
                pause = backoff(device.interval, failures)
                    .max(asked_for.min(5 * LONGEST_BACKOFF).min(left))
                    .max(device.interval);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Options of [`device_sign_in`].
#[derive(Clone)]
pub struct DesktopDeviceOptions {
    timeout: Option<Duration>,
    cancel: Cancel,
    show: Arc<dyn Fn(&DeviceAuthorization) + Send + Sync>,
    wait: Option<Arc<dyn Fn(Duration) + Send + Sync>>,
    request: DeviceSignInOptions,
}

impl DesktopDeviceOptions {
    /// A sign-in with the defaults.
    pub fn new() -> Self {
        Self {
            timeout: None,
            cancel: Cancel::new(),
            show: Arc::new(terminal::show),
            wait: None,
            request: DeviceSignInOptions::new(),
        }
    }

    /// Sets how long to wait for the user. Default: as long as the code is valid, which is ten minutes
    /// at Logto.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets what ends the wait from another thread. Default: nothing.
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = cancel.clone();
        self
    }

    /// Sets how the user is shown the address and the code. Default: on the standard error, with a QR
    /// code if that is a terminal in which it has room.
    pub fn show(mut self, show: impl Fn(&DeviceAuthorization) + Send + Sync + 'static) -> Self {
        self.show = Arc::new(show);
        self
    }

    /// Sets how the time between two polls passes: for tests, which have none. Default: it is waited.
    pub fn wait_with(mut self, wait: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        self.wait = Some(Arc::new(wait));
        self
    }

    /// Changes what is asked of the server, such as scopes. Default: what the configuration says.
    pub fn request(
        mut self,
        change: impl FnOnce(DeviceSignInOptions) -> DeviceSignInOptions,
    ) -> Self {
        self.request = change(self.request);
        self
    }
}

impl Default for DesktopDeviceOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DesktopDeviceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DesktopDeviceOptions")
            .field("timeout", &self.timeout)
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

/// The time between polls.
struct Pauses<'a> {
    options: &'a DesktopDeviceOptions,
    started: Instant,
    /// The sum of the pauses, which is more than has passed where a test does not wait.
    paused: Duration,
}

impl<'a> Pauses<'a> {
    fn new(options: &'a DesktopDeviceOptions) -> Self {
        Self {
            options,
            started: Instant::now(),
            paused: Duration::ZERO,
        }
    }

    /// Lets this time pass.
    fn pause(&mut self, time: Duration) -> Result<(), DesktopError> {
        let cancel = &self.options.cancel;
        let left = self.left();
        let time = left.map_or(time, |left| left.min(time));
        let is_cancelled = match &self.options.wait {
            Some(wait) => {
                wait(time);
                cancel.is_cancelled()
            }
            None => cancel.wait(time),
        };
        self.paused = self.paused.saturating_add(time);
        if is_cancelled {
            return Err(DesktopError::Cancelled);
        }
        match (self.left(), self.options.timeout) {
            (Some(Duration::ZERO), Some(after)) => Err(DesktopError::TimedOut { after }),
            _ => Ok(()),
        }
    }

    /// `None` if there is no end but the code's.
    fn left(&self) -> Option<Duration> {
        let passed = self.paused.max(self.started.elapsed());
        Some(self.options.timeout?.saturating_sub(passed))
    }
}

/// The pause after so many failures in a row (RFC 8628, section 3.5: exponential).
fn backoff(interval: Duration, failures: u32) -> Duration {
    let factor = 2_u32.saturating_pow(failures);
    interval.saturating_mul(factor).min(LONGEST_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_in_a_row_doubles_the_pause() {
        let seconds = |failures| backoff(Duration::from_secs(5), failures).as_secs();
        assert_eq!([0, 1, 2, 3, 4].map(seconds), [5, 10, 20, 40, 60]);
        assert_eq!(seconds(u32::MAX), 60);
    }
}
