//! Moves the sessions of one storage into another, so that no user is signed out.
//!
//! ```sh
//! cargo run --example migrate -- sqlite:///var/lib/app/sessions.db redis://user:password@redis.internal
//! ```
//!
//! It may be stopped at any moment, with Ctrl-C or `kill -9`, and goes on when it is run again.

mod arguments;
mod progress;

use std::env;
use std::error::Error;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use logto::storage::{
    self, EncryptedStorage, EncryptionKey, Storage, StorageError, StorageErrorKind, migrate,
};

use arguments::{Command, Job, Side};
use progress::Progress;

/// It failed before all sessions were looked at.
const FAILED: u8 = 1;
/// The arguments are wrong.
const MISUSED: u8 = 2;
/// Some sessions were busy or unreadable.
const INCOMPLETE: u8 = 3;

fn main() -> ExitCode {
    progress::start_logger();
    let job = match arguments::parse(env::args_os().skip(1)) {
        Ok(Command::Migrate(job)) => job,
        Ok(Command::Help) => {
            let _ = write!(io::stdout(), "{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Err(mistake) => {
            eprintln!("migrate: {mistake}\n\n{}", arguments::HELP);
            return MISUSED.into();
        }
    };
    match run(&job) {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("migrate: {}", with_sources(&*error));
            FAILED.into()
        }
    }
}

fn run(job: &Job) -> Result<u8, Box<dyn Error>> {
    must_exist(&job.from)?;
    let from = open(&job.from)?;
    let to = open(&job.to)?;
    if job.to.key_variable.is_some() && is_sealed(&*from) {
        return Err(
            "the values of FROM are encrypted, and --to-key would do it twice: \
                    give --from-key too, or neither to copy them as they are"
                .into(),
        );
    }
    let mut progress = Progress::start();
    let outcome = migrate(&*from, &*to)
        .remove_moved(job.moves)
        .count_first(true)
        .progress(|counts| progress.show(counts))
        .run();
    match outcome {
        Ok(counts) => {
            progress.end(&counts);
            Ok(if counts.is_complete() { 0 } else { INCOMPLETE })
        }
        Err(error) => {
            progress.end(error.counts());
            Err(error.into())
        }
    }
}

/// A storage is made where there is none: of a path that is mistyped nothing would be moved.
fn must_exist(side: &Side) -> Result<(), String> {
    match side.path() {
        Some(path) if !Path::new(path).exists() => Err(format!("there is no storage at {path}")),
        _ => Ok(()),
    }
}

fn open(side: &Side) -> Result<Arc<dyn Storage>, Box<dyn Error>> {
    let storage = storage::open(&side.url)?;
    let Some(variable) = &side.key_variable else {
        return Ok(storage);
    };
    let text = env::var(variable).map_err(|_| format!("the variable {variable} is not set"))?;
    let key = EncryptionKey::from_base64(&text)
        .map_err(|error| format!("the key in {variable} cannot be used: {error}"))?;
    Ok(Arc::new(EncryptedStorage::new(storage, key)))
}

/// Whether the data of the first session that can be read is a sealed box.
fn is_sealed(storage: &dyn Storage) -> bool {
    /// `LogtoBox`, with which a box begins, in base64url.
    const BOX: &str = "TG9ndG9Cb3";
    let mut sealed = None;
    // What fails here fails in the migration again, and is told there.
    let _ = storage.for_each(&mut |session| {
        let record = storage.load(session).ok().flatten();
        sealed = record.map(|record| record.data().starts_with(BOX));
        match sealed {
            None => Ok(()),
            Some(_) => Err(StorageError::new(StorageErrorKind::Backend, "seen enough")),
        }
    });
    sealed.unwrap_or(false)
}

fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // Some errors tell what their source says.
        let message = error.to_string();
        if !text.ends_with(&message) {
            text = format!("{text}: {message}");
        }
        source = error.source();
    }
    text
}
