//! What is written, and what is asked.

use std::io::{self, ErrorKind, Write};

use logto::Secret;

use crate::failure::Failure;

/// How often a new passphrase is asked for until it is the same twice.
const TRIES: usize = 3;

/// Writes what the application was asked for to the standard output.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::Other(format!("the output could not be written: {error}")))
}

/// Writes a message to the standard error.
pub fn say(message: &str) {
    // Whoever has closed it does not want to know.
    let _ = writeln!(io::stderr(), "{message}");
}

/// A text of somebody else's, which must not steer the terminal.
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// Asks for the passphrase of a session that is there.
pub fn ask_passphrase() -> Result<Secret, Failure> {
    ask("Passphrase: ")
}

/// Asks for a passphrase twice.
pub fn ask_new_passphrase() -> Result<Secret, Failure> {
    for _ in 0..TRIES {
        let passphrase = ask("New passphrase: ")?;
        if passphrase.expose().is_empty() {
            say("It must not be empty.");
        } else if ask("The same again: ")? == passphrase {
            return Ok(passphrase);
        } else {
            say("They are not the same.");
        }
    }
    Err(Failure::Other("no passphrase was chosen".to_owned()))
}

/// Asks at the terminal itself, wherever the standard streams lead.
fn ask(question: &str) -> Result<Secret, Failure> {
    match rpassword::prompt_password(question) {
        Ok(answer) => Ok(answer.into()),
        Err(error) if error.kind() == ErrorKind::Interrupted => Err(Failure::Cancelled),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Err(Failure::Other("no passphrase was given".to_owned()))
        }
        Err(_) => Err(Failure::Other(
            "there is no terminal to ask for the passphrase; set LOGTO_CLI_PASSPHRASE".to_owned(),
        )),
    }
}
