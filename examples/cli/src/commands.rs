//! What each command does.

use logto::desktop::{
    self, Cancel, DesktopDeviceOptions, DesktopSignInOptions, DesktopSignOutOptions,
};
use logto::storage::{SessionKey, Storage as _};
use logto::{AccessTokenRequest, IdTokenClaims, Logto, LogtoClient, Revocation};

use crate::arguments::{Command, NAME};
use crate::failure::Failure;
use crate::settings::Settings;
use crate::terminal::{self, harmless, say};
use crate::vault::Vault;

pub struct App {
    settings: Settings,
    logto: Logto,
    cancel: Cancel,
}

impl App {
    pub fn from_env(cancel: Cancel) -> Result<Self, Failure> {
        let settings = Settings::from_env()?;
        let logto = Logto::new(settings.config.clone())?;
        Ok(Self {
            settings,
            logto,
            cancel,
        })
    }

    pub fn run(&self, command: Command) -> Result<(), Failure> {
        match command {
            Command::Help | Command::Version => Ok(()),
            Command::Login { is_on_other_device } => self.login(is_on_other_device),
            Command::WhoAmI => self.who_am_i(),
            Command::Token {
                resource,
                organization,
            } => self.token(resource.as_deref(), organization.as_deref()),
            Command::Logout { opens_browser } => self.logout(opens_browser),
        }
    }

    fn login(&self, is_on_other_device: bool) -> Result<(), Failure> {
        // Before anything is asked of the user: whether there is a server at all.
        self.logto.oidc_core()?;
        let vault = Vault::new(&self.settings);
        let storage = vault.open_or_create()?;
        let client = self.logto.client(storage.clone());
        let signed_in = match is_on_other_device {
            true => self.sign_in_elsewhere(&client),
            false => self.sign_in_here(&client),
        };
        match signed_in {
            Ok(claims) => {
                say(&format!("You are signed in as {}.", described(&claims)));
                Ok(())
            }
            Err(failure) => {
                // What had begun goes, so that a passphrase that was chosen for nothing binds nobody.
                // Best effort: the failure of the sign-in is what matters.
                if let Ok(false) = client.is_authenticated() {
                    let _ = storage.remove(&SessionKey::ONLY);
                    vault.discard_empty();
                }
                Err(failure)
            }
        }
    }

    fn sign_in_here(&self, client: &LogtoClient) -> Result<IdTokenClaims, Failure> {
        say(
            "Your browser opens for you to sign in. Ctrl-C cancels; without a browser, use --device.",
        );
        let options = DesktopSignInOptions::new()
            .app_name(NAME)
            .cancel(&self.cancel);
        Ok(desktop::sign_in(client, &options)?.claims)
    }

    fn sign_in_elsewhere(&self, client: &LogtoClient) -> Result<IdTokenClaims, Failure> {
        let options = DesktopDeviceOptions::new().cancel(&self.cancel);
        Ok(desktop::device_sign_in(client, &options)?.claims)
    }

    fn who_am_i(&self) -> Result<(), Failure> {
        let claims = self.signed_in()?.id_token_claims()?;
        let mut text = String::new();
        for (label, value) in [
            ("Name", claims.name.as_deref()),
            ("E-mail", claims.email.as_deref()),
            ("User id", Some(claims.sub.as_str())),
            ("Server", Some(self.settings.config.endpoint.as_str())),
        ] {
            if let Some(value) = value {
                text.push_str(&format!("{label:<8}  {}\n", harmless(value)));
            }
        }
        terminal::print(&text)
    }

    fn token(&self, resource: Option<&str>, organization: Option<&str>) -> Result<(), Failure> {
        let mut request = AccessTokenRequest::from(resource);
        if let Some(organization) = organization {
            request = request.organization(organization);
        }
        let token = self.signed_in()?.access_token(request)?;
        terminal::print(&format!("{}\n", token.ok_or(Failure::SessionEnded)?))
    }

    fn logout(&self, opens_browser: bool) -> Result<(), Failure> {
        let client = self.signed_in()?;
        let mut options = DesktopSignOutOptions::new();
        if !opens_browser {
            options = options.without_browser();
        }
        let signed_out = desktop::sign_out(&client, &options)?;
        Vault::new(&self.settings).discard_empty();
        say("You are signed out.");
        if let Revocation::Failed(error) = signed_out.revocation {
            say(&format!(
                "But the server has not revoked the tokens: {error}."
            ));
        }
        if opens_browser && !signed_out.is_browser_opened {
            say("But no browser opened, and yours may still be signed in.");
        }
        Ok(())
    }

    /// The session of whoever is signed in.
    fn signed_in(&self) -> Result<LogtoClient, Failure> {
        let storage = Vault::new(&self.settings).open()?;
        let client = self.logto.client(storage.ok_or(Failure::NotSignedIn)?);
        match client.is_authenticated()? {
            true => Ok(client),
            false => Err(Failure::NotSignedIn),
        }
    }
}

fn described(claims: &IdTokenClaims) -> String {
    let name = claims.name.as_deref().unwrap_or(&claims.sub);
    harmless(&match &claims.email {
        Some(email) => format!("{name} ({email})"),
        None => name.to_owned(),
    })
}
