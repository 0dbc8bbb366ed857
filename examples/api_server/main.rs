//! An API whose callers bring access tokens of Logto, with the scopes and the organization that each
//! route asks for.
//!
//! ```sh
//! cargo run --example api_server
//! ```
//!
//! Then paste the lines that it prints. By itself it starts a fake Logto server in this process, which
//! needs no account and no network. It uses a real one with these set:
//!
//! | variable | what it is | default |
//! | --- | --- | --- |
//! | `LOGTO_ENDPOINT` | the server, such as `https://foo.logto.app` | a fake one |
//! | `LOGTO_RESOURCE` | this API's identifier in the Logto Console | `https://api.example.com` |
//! | `PORT` | the port to listen on; 0 for any free one | 3002 |
//!
//! At a real server the API must have the scope `read:orders`. An application's id or secret is not
//! needed here: those are for programs that sign users in.

mod api;
mod fake;

use std::env;
use std::error::Error;
use std::net::Ipv4Addr;
use std::process::ExitCode;

use logto::AccessTokenVerifier;

use api::Api;
use fake::Fake;

type Failure = Box<dyn Error + Send + Sync>;

const RESOURCE: &str = "https://api.example.com";
/// How many requests are answered at once.
const THREADS: usize = 32;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("api_server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let resource = variable("LOGTO_RESOURCE").unwrap_or_else(|| RESOURCE.to_owned());
    let (endpoint, fake) = match variable("LOGTO_ENDPOINT") {
        Some(endpoint) => (endpoint, None),
        None => {
            let fake = Fake::start(&resource)?;
            (fake.endpoint().to_owned(), Some(fake))
        }
    };
    let api = Api::new(AccessTokenVerifier::new(&endpoint, &resource)?);
    let address = (Ipv4Addr::LOCALHOST, port()?);
    let server = rouille::Server::new(address, move |request| api.answer(request))?;

    let url = format!("http://localhost:{}", server.server_addr().port());
    println!("{resource} takes access tokens of {endpoint}.");
    if let Some(fake) = &fake {
        fake.introduce(&url)?;
    }
    println!("Listening on {url}");
    server.pool_size(THREADS).run();
    Ok(())
}

fn port() -> Result<u16, Failure> {
    match variable("PORT") {
        Some(port) => port
            .parse()
            .map_err(|_| format!("PORT is {port:?}, which is no port").into()),
        None => Ok(3002),
    }
}

/// The value of an environment variable; `None` if it is not set, or empty.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
