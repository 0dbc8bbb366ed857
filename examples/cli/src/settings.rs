//! What is set in the environment.

use std::env;
use std::fmt::Write as _;
use std::path::PathBuf;

use etcetera::BaseStrategy;
use logto::{LogtoConfig, Secret, UserInfoScope};

use crate::arguments::NAME;
use crate::failure::Failure;

pub struct Settings {
    pub config: LogtoConfig,
    /// What tells this server and application from all others, in letters that a file may have.
    pub account: String,
    /// The folder of their session.
    pub folder: PathBuf,
    pub passphrase: Option<Secret>,
}

impl Settings {
    pub fn from_env() -> Result<Self, Failure> {
        let config = LogtoConfig::from_env()
            .map_err(|error| Failure::Usage(error.to_string()))?
            .resources(words("LOGTO_RESOURCES"))
            .scopes(words("LOGTO_SCOPES"))
            .scopes([UserInfoScope::Email, UserInfoScope::Organizations]);
        let data = match variable("LOGTO_CLI_DATA") {
            Some(data) => PathBuf::from(data),
            None => data_folder()?,
        };
        let account = account(&config.endpoint, &config.app_id);
        Ok(Self {
            folder: data.join(&account),
            account,
            passphrase: variable("LOGTO_CLI_PASSPHRASE").map(Secret::from),
            config,
        })
    }
}

/// `None` if it is not set, or empty.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn words(name: &str) -> Vec<String> {
    let value = variable(name).unwrap_or_default();
    value.split_whitespace().map(str::to_owned).collect()
}

fn data_folder() -> Result<PathBuf, Failure> {
    let base = etcetera::choose_base_strategy()
        .map_err(|error| Failure::Usage(format!("{error}; set LOGTO_CLI_DATA")))?;
    Ok(base.data_dir().join(NAME))
}

/// No two of them are alike: a token must never go to another server.
fn account(endpoint: &str, app_id: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    let endpoint = endpoint.strip_prefix("https://").unwrap_or(endpoint);
    let mut account = String::new();
    for byte in format!("{endpoint} {app_id}").bytes() {
        match byte {
            b'.' | b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => account.push(byte.into()),
            byte => {
                let _ = write!(account, "_{byte:02x}");
            }
        }
    }
    account
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_and_application_has_an_account_of_its_own() {
        assert_eq!(
            account("https://foo.logto.app/", "app1"),
            "foo.logto.app_20app1"
        );
        assert_eq!(
            account("https://foo.logto.app", "app1"),
            "foo.logto.app_20app1"
        );
        let accounts = [
            account("https://a.b", "c"),
            account("https://a-b", "c"),
            account("http://a.b", "c"),
            account("https://a.b:8443", "c"),
            account("https://a.b/x", "c"),
            account("https://a.b", "x c"),
            account("https://a.b_20x", "c"),
            account("https://a.b", "C"),
        ];
        for (index, one) in accounts.iter().enumerate() {
            assert!(!accounts[..index].contains(one), "{one}");
            assert!(!one.contains(['/', ':', '\\']), "{one}");
        }
    }
}
