//! Sign-in from desktop and command-line programs. Feature `desktop`.
//!
//! One call opens the user's browser, waits at a port of this machine for it to come back, and
//! returns who has signed in:
//!
//! ```no_run
//! use logto::desktop::{self, DesktopSignInOptions};
//! use logto::storage::MemoryStorage; // or one that survives a restart
//! use logto::{LogtoClient, LogtoConfig};
//!
//! let config = LogtoConfig::new("https://foo.logto.app", "my-native-app-id");
//! let client = LogtoClient::new(config, MemoryStorage::new())?;
//! if !client.is_authenticated()? {
//!     let signed_in = desktop::sign_in(&client, &DesktopSignInOptions::new())?;
//!     println!("Hello, {}", signed_in.claims.sub);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! In the Logto Console the program is a *Native* application with the redirect URI
//! `http://127.0.0.1/callback`: any port will do then, and it must be these numbers, not `localhost`.
//!
//! # Without a browser on this machine
//!
//! [`device_sign_in`] shows an address and a code in the terminal, for the user to open on their
//! telephone. [`sign_in`] shows its address too where no browser opens (over ssh, say) or nobody has
//! come back after ten seconds, but the browser it is opened in must be on this machine, or reach its
//! port by a tunnel.
//!
//! # What is refused
//!
//! Any program and any web page can send requests to a port of this machine. Only a `GET` to the
//! redirect URI itself with the state of this sign-in counts; all else is answered with an error,
//! and the user is waited for further. Connections that send nothing, or too much, keep nobody out.
//! The page at the end holds nothing of the request, and takes the code out of the address bar.
//!
//! # Schemes of your own
//!
//! Where the operating system starts your program for `com.example.app:/callback`, nothing of this
//! module is needed: give that URI to [`LogtoClient::sign_in`](crate::LogtoClient::sign_in), and what
//! your program is started with to
//! [`LogtoClient::handle_sign_in_callback`](crate::LogtoClient::handle_sign_in_callback). The process
//! may be another one, if the storage is one that processes share.

mod browser;
mod cancel;
mod connection;
mod device;
mod error;
mod listener;
mod options;
mod page;
mod request;
mod sign_in;
mod sign_out;
mod terminal;

pub use self::cancel::Cancel;
pub use self::device::{DesktopDeviceOptions, device_sign_in};
pub use self::error::DesktopError;
pub use self::sign_in::{DesktopSignInOptions, sign_in};
pub use self::sign_out::{DesktopSignOut, DesktopSignOutOptions, sign_out};
