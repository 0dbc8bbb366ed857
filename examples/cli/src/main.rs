//! A command-line application whose user signs in with Logto.
//!
//! ```sh
//! export LOGTO_ENDPOINT=https://foo.logto.app LOGTO_APP_ID=my-native-app-id
//! cargo run -p logto-cli -- login
//! ```
//!
//! What it needs at Logto, and where it keeps what, is in its README.

mod arguments;
mod commands;
mod failure;
mod keyring;
mod settings;
mod terminal;
mod vault;

use std::process::{self, ExitCode};
use std::thread;
use std::time::Duration;

use logto::desktop::Cancel;

use arguments::Command;
use commands::App;
use failure::{Failure, INTERRUPTED};

/// What is under way when Ctrl-C is pressed has this long to end by itself: a refreshed token is stored.
const GRACE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal::say(&format!("{}: {failure}", arguments::NAME));
            failure.exit_code().into()
        }
    }
}

fn run() -> Result<(), Failure> {
    let command = match arguments::parse(std::env::args_os())? {
        Command::Help => return terminal::print(arguments::HELP),
        Command::Version => return terminal::print(arguments::VERSION),
        command => command,
    };
    let cancel = Cancel::new();
    end_at_ctrl_c(&cancel)?;
    App::from_env(cancel)?.run(command)
}

fn end_at_ctrl_c(cancel: &Cancel) -> Result<(), Failure> {
    let cancel = cancel.clone();
    let handler = move || {
        cancel.cancel();
        thread::sleep(GRACE);
        process::exit(INTERRUPTED.into());
    };
    ctrlc::set_handler(handler).map_err(|error| Failure::other(&error))
}
