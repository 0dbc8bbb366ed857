//! The desktop program of the README.

use logto::desktop::{self, DesktopSignInOptions, DesktopSignOutOptions};
use logto::storage::{EncryptionKey, FileStorage};
use logto::{LogtoClient, LogtoConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Or 32 random bytes that the system's keyring keeps.
    let passphrase = std::env::var("PASSPHRASE").map_err(|_| "set PASSPHRASE")?;
    let key = EncryptionKey::from_passphrase(passphrase)?;
    let client = LogtoClient::new(LogtoConfig::from_env()?, FileStorage::open("session", key)?)?;
    if !client.is_authenticated()? {
        // Opens the browser, waits at a port of this machine, and answers with a page.
        desktop::sign_in(&client, &DesktopSignInOptions::new().app_name("Example"))?;
        // Or, over ssh: shows an address, a code and a QR code in the terminal.
        // desktop::device_sign_in(&client, &desktop::DesktopDeviceOptions::new())?;
    }
    println!("Hello, {}", client.id_token_claims()?.sub);
    // When the user asks for it:
    desktop::sign_out(&client, &DesktopSignOutOptions::new())?;
    Ok(())
}
