//! What is to be moved where.

use std::env;
use std::ffi::OsString;

/// How it is used.
pub const HELP: &str = "\
Usage: migrate [options] FROM TO

Copies every session of the storage FROM into the storage TO. A session that TO has already is never
touched, so run it again after an interruption, and it goes on. FROM stays as it is.

Stop the application before, and start it over TO afterwards. Or start it over TO first and use
--move: a user who comes before their session does is signed out until it has come.

FROM and TO are URLs:
  sqlite:///var/lib/app/sessions.db    the path begins with the third slash
  sled:///var/lib/app/sessions
  file:///var/lib/app/sessions         with the key from the variable LOGTO_STORAGE_KEY
  redis://user:password@host/0         and the other URLs of that storage
  env:NAME                             the URL is in this variable, where nobody sees its password

Options:
  --move               remove each session from FROM as soon as it is in TO
  --from-key VARIABLE  FROM is an EncryptedStorage with the key in this variable: 32 bytes in base64
  --to-key VARIABLE    TO is to be an EncryptedStorage with the key in this variable
  --help               print this

Exit status: 0 if all sessions are in TO, 1 if a storage failed, 2 if the arguments are wrong, 3 if some
sessions were passed over: in use, in which case run it again, or unreadable, in which case look at the
log and at --from-key, since to run it again changes nothing.
";

pub enum Command {
    Help,
    Migrate(Job),
}

pub struct Job {
    pub from: Side,
    pub to: Side,
    pub moves: bool,
}

/// One of the storages.
pub struct Side {
    pub url: String,
    pub key_variable: Option<String>,
}

impl Side {
    /// Where it is, if that is a path.
    pub fn path(&self) -> Option<&str> {
        let schemes = ["sqlite:", "sled:", "file:"];
        let rest = schemes.iter().find_map(|s| self.url.strip_prefix(s))?;
        let path = rest.strip_prefix("//").unwrap_or(rest);
        match path.as_bytes() {
            [b'/', _, b':', ..] if cfg!(windows) => Some(&path[1..]),
            _ => Some(path),
        }
    }
}

pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let arguments = arguments.map(OsString::into_string);
    let arguments: Vec<_> = arguments
        .collect::<Result<_, _>>()
        .map_err(|_| "an argument is not in UTF-8".to_owned())?;
    let mut arguments = arguments.into_iter();
    let mut urls = Vec::new();
    let (mut from_key, mut to_key, mut moves) = (None, None, false);
    while let Some(argument) = arguments.next() {
        let mut value = || {
            let value = arguments.next();
            value.ok_or_else(|| format!("{argument} is to be followed by the name of a variable"))
        };
        match argument.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--move" => moves = true,
            "--from-key" => from_key = Some(value()?),
            "--to-key" => to_key = Some(value()?),
            option if option.starts_with('-') => return Err(format!("{option} is no option")),
            url => urls.push(url_of(url)?),
        }
    }
    let [from, to] = <[String; 2]>::try_from(urls)
        .map_err(|urls| format!("two URLs are expected, and not {}", urls.len()))?;
    if from == to {
        return Err("FROM and TO are the same storage".to_owned());
    }
    let side = |url, key_variable| Side { url, key_variable };
    Ok(Command::Migrate(Job {
        from: side(from, from_key),
        to: side(to, to_key),
        moves,
    }))
}

fn url_of(argument: &str) -> Result<String, String> {
    let url = match argument.strip_prefix("env:") {
        Some(name) => env::var(name).map_err(|_| format!("the variable {name} is not set"))?,
        None => argument.to_owned(),
    };
    match url.starts_with("memory:") {
        true => Err("memory: is gone when this program ends".to_owned()),
        false => Ok(url),
    }
}
