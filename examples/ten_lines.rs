//! The program of the README.

use logto::web::{WebAuth, rouille::answer};
use logto::{Logto, LogtoConfig, storage::SqliteStorage};
use rouille::Response;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("ADDRESS").unwrap_or("localhost:3000".to_owned());
    let base_url = format!("http://{address}");
    let logto = Logto::new(LogtoConfig::from_env()?)?;
    let auth = WebAuth::new(logto, SqliteStorage::open("sessions.db")?, &base_url)?;
    // Whoever is not signed in is sent to sign in, and then back to the page.
    rouille::start_server(address, move |request| {
        answer(&auth, request, |user| {
            Response::text(format!("Hello, {}", user.claims().sub))
        })
    })
}
