//! What the application is asked to do.

use std::ffi::OsString;

use lexopt::{Arg, Parser, ValueExt};

use crate::failure::Failure;

pub const NAME: &str = "logto-cli";
pub const VERSION: &str = concat!("logto-cli ", env!("CARGO_PKG_VERSION"), "\n");
pub const HELP: &str = "\
Signs you in with Logto, and gives your scripts access tokens.

Usage: logto-cli <command>

Commands:
  login               sign in with your browser
    --device          sign in with a browser on another device
  whoami              show who is signed in
  token               print an access token, and nothing else
    --resource <R>    for the API with this identifier
    --organization <O>  for this organization
  logout              sign out, and revoke the tokens
    --browser         sign out in your browser too

Options:
  -h, --help          show this
  -V, --version       show the version

Environment:
  LOGTO_ENDPOINT        the server, such as https://foo.logto.app
  LOGTO_APP_ID          the id of a Native application in the Logto Console
  LOGTO_RESOURCES       APIs to get tokens for, separated by spaces; optional
  LOGTO_SCOPES          what to be allowed there, separated by spaces; optional
  LOGTO_CLI_PASSPHRASE  what encrypts the session in place of the system's keyring
  LOGTO_CLI_DATA        the folder of the sessions
  BROWSER               the browser to open

Exit status: 0 done; 1 failed; 2 wrong usage or settings; 3 not signed in.
";

#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Help,
    Version,
    Login {
        is_on_other_device: bool,
    },
    WhoAmI,
    Token {
        resource: Option<String>,
        organization: Option<String>,
    },
    Logout {
        opens_browser: bool,
    },
}

/// Reads a command line, with the program's name at its front.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Failure> {
    let mut parser = Parser::from_iter(arguments);
    let mut command = None;
    while let Some(argument) = parser.next()? {
        match (argument, &mut command) {
            (Arg::Short('h') | Arg::Long("help"), _) => return Ok(Command::Help),
            (Arg::Short('V') | Arg::Long("version"), _) => return Ok(Command::Version),
            (Arg::Value(name), None) => command = Some(named(&name.string()?)?),
            (Arg::Long("device"), Some(Command::Login { is_on_other_device })) => {
                *is_on_other_device = true;
            }
            (Arg::Long("resource"), Some(Command::Token { resource, .. })) => {
                *resource = Some(value(&mut parser, "--resource")?);
            }
            (Arg::Long("organization"), Some(Command::Token { organization, .. })) => {
                *organization = Some(value(&mut parser, "--organization")?);
            }
            (Arg::Long("browser"), Some(Command::Logout { opens_browser })) => {
                *opens_browser = true;
            }
            (argument, _) => return Err(argument.unexpected().into()),
        }
    }
    command.ok_or_else(|| Failure::Usage("say what to do".to_owned()))
}

fn named(name: &str) -> Result<Command, Failure> {
    match name {
        "help" => Ok(Command::Help),
        "login" => Ok(Command::Login {
            is_on_other_device: false,
        }),
        "whoami" => Ok(Command::WhoAmI),
        "token" => Ok(Command::Token {
            resource: None,
            organization: None,
        }),
        "logout" => Ok(Command::Logout {
            opens_browser: false,
        }),
        _ => Err(Failure::Usage(format!("there is no command {name:?}"))),
    }
}

fn value(parser: &mut Parser, option: &str) -> Result<String, Failure> {
    let value = parser.value()?.string()?;
    match value.is_empty() {
        true => Err(Failure::Usage(format!("the value of {option} is empty"))),
        false => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        let arguments = line.split(' ').filter(|word| !word.is_empty());
        let arguments = ["logto-cli"].into_iter().chain(arguments);
        parse(arguments.map(OsString::from)).map_err(|failure| {
            assert_eq!(failure.exit_code(), 2);
            failure.to_string()
        })
    }

    #[test]
    fn every_command_is_read() {
        let token = |resource: Option<&str>, organization: Option<&str>| Command::Token {
            resource: resource.map(str::to_owned),
            organization: organization.map(str::to_owned),
        };
        let login = |is_on_other_device| Command::Login { is_on_other_device };
        for (line, command) in [
            ("login", login(false)),
            ("login --device", login(true)),
            ("whoami", Command::WhoAmI),
            ("token", token(None, None)),
            (
                "token --resource https://api",
                token(Some("https://api"), None),
            ),
            (
                "token --resource=https://api",
                token(Some("https://api"), None),
            ),
            (
                "token --organization o --resource r",
                token(Some("r"), Some("o")),
            ),
            (
                "logout",
                Command::Logout {
                    opens_browser: false,
                },
            ),
            (
                "logout --browser",
                Command::Logout {
                    opens_browser: true,
                },
            ),
            ("help", Command::Help),
            ("-h", Command::Help),
            ("token --help", Command::Help),
            ("--version", Command::Version),
        ] {
            assert_eq!(parsed(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn what_is_no_command_is_told() {
        for (line, told) in [
            ("", "say what to do"),
            ("log-in", "there is no command \"log-in\""),
            ("--device", "--device"),
            ("whoami --device", "--device"),
            ("login now", "\"now\""),
            ("token --resource", "--resource"),
            ("token --resource=", "the value of --resource is empty"),
            ("login --device=yes", "--device"),
        ] {
            let message = parsed(line).unwrap_err();
            assert!(message.contains(told), "{line}: {message}");
            assert!(message.contains("logto-cli --help"), "{message}");
        }
    }
}
