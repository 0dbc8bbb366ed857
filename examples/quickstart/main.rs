//! A web application whose users sign in with Logto.
//!
//! ```sh
//! cargo run --example quickstart
//! ```
//!
//! Then open <http://localhost:3000>. By itself it starts a fake Logto server in this process, which
//! needs no account and no network. It uses a real one with these set:
//!
//! | variable | what it is |
//! | --- | --- |
//! | `LOGTO_ENDPOINT` | the server, such as `https://foo.logto.app` |
//! | `LOGTO_APP_ID`, `LOGTO_APP_SECRET` | from the application's page in the Logto Console |
//! | `LOGTO_RESOURCE` | an API to get access tokens for, by its indicator; none if it is not set |
//! | `LOGTO_SCOPES` | what to be allowed at that API, such as `read:items write:items` |
//!
//! These have defaults:
//!
//! | variable | what it is | default |
//! | --- | --- | --- |
//! | `PORT` | the port to listen on; 0 for any free one | 3000 |
//! | `BASE_URL` | where browsers reach this application, without a path | `http://localhost:<PORT>` |
//! | `QUICKSTART_DATA` | the folder of the sessions | `target/quickstart` |
//! | `QUICKSTART_FAKE_PORT` | the port of the fake server; 0 for any free one | 3001, or a free one |
//! | `QUICKSTART_LOGIN_PAGE` | `1`: the fake server asks who signs in | it signs Alice in |

mod app;
mod logger;
mod logto_server;
mod pages;
mod settings;

use std::error::Error;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use logto::storage::SqliteStorage;
use logto::{Logto, Storage};

use app::App;
use logto_server::LogtoServer;
use settings::Settings;

type Failure = Box<dyn Error + Send + Sync>;

/// How many requests are answered at once. Each may have to wait for the Logto server.
const THREADS: usize = 32;
const HOUR: Duration = Duration::from_secs(60 * 60);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {}", with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    logger::start();
    let settings = Settings::from_env()?;
    let server = LogtoServer::from_env(&settings)?;
    let logto = Logto::new(server.config.clone())?;
    let database = settings.database(&server.config.endpoint, &server.config.app_id);
    let store = SqliteStorage::open(database)?;
    purge_hourly(store.clone());

    server.introduce(&settings);
    let port = settings.port;
    let app = App::new(logto, server.name(), store, &settings)?;
    let web = rouille::Server::new((Ipv4Addr::LOCALHOST, port), move |request| {
        app.answer(request)
    })?;
    println!("Listening on http://localhost:{port}");
    web.pool_size(THREADS).run();
    Ok(())
}

fn purge_hourly(store: SqliteStorage) {
    thread::spawn(move || {
        loop {
            thread::sleep(HOUR);
            if let Err(error) = store.purge_expired() {
                eprintln!("old sessions stay: {}", with_causes(&error));
            }
        }
    });
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
