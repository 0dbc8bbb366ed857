//! A page for users and an API on tiny_http, or on any other server whose requests can be made into those of the
//! crate `http`: that takes the fifty lines of `adapter.rs`.
//!
//! ```sh
//! cargo run --example tiny_http
//! ```
//!
//! Then open <http://localhost:3000>. By itself it starts a fake Logto server in this process. With `LOGTO_ENDPOINT`,
//! `LOGTO_APP_ID` and `LOGTO_APP_SECRET` it uses yours. `PORT` is the port to listen on: 3000, or 0 for any free one.

mod adapter;

use std::env;
use std::error::Error;
use std::sync::Arc;
use std::thread;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Request, Response, StatusCode};
use logto::storage::MemoryStorage;
use logto::web::{User, WebAuth};
use logto::{Logto, LogtoConfig};
use logto_testing::FakeLogto;
use serde_json::json;
use tiny_http::Server;

/// How many requests are answered at once.
const THREADS: usize = 8;

const STYLE: &str = ":root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}\
                     main{max-width:26rem;margin:20vh auto 0;padding:0 1.5rem}";

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let port = env::var("PORT").map_or(Ok(3000), |port| port.parse::<u16>())?;
    let server = Arc::new(Server::http(("127.0.0.1", port))?);
    let address = server.server_addr().to_ip().ok_or("it has no port")?;
    let base_url = format!("http://localhost:{}", address.port());

    // It runs for as long as it is kept.
    let (config, _fake) = logto_server()?;
    println!("Users sign in at {}.", config.endpoint);
    let auth = WebAuth::builder(Logto::new(config)?, MemoryStorage::new(), &base_url)
        .after_sign_in("/account")
        .build()?;
    println!("Listening on {base_url}");
    let threads = (0..THREADS).map(|_| {
        let (server, auth) = (Arc::clone(&server), auth.clone());
        thread::spawn(move || serve(&server, &auth))
    });
    for thread in threads.collect::<Vec<_>>() {
        thread.join().map_err(|_| "a thread has panicked")?;
    }
    Ok(())
}

fn logto_server() -> Result<(LogtoConfig, Option<FakeLogto>), Box<dyn Error + Send + Sync>> {
    if env::var_os("LOGTO_ENDPOINT").is_some() {
        return Ok((LogtoConfig::from_env()?, None));
    }
    let fake = FakeLogto::builder().login_page(true).build()?;
    let config = LogtoConfig::new(fake.endpoint(), fake.app_id()).app_secret(fake.app_secret());
    Ok((config, Some(fake)))
}

fn serve(server: &Server, auth: &WebAuth) {
    while let Ok(mut request) = server.recv() {
        let response = match adapter::from_tiny_http(&mut request) {
            Some(request) => answer(auth, &request),
            None => html(StatusCode::BAD_REQUEST, "<p>That is no request."),
        };
        // It fails where the browser has gone away.
        let _ = adapter::respond(request, response);
    }
}

fn answer(auth: &WebAuth, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
    // Sign-in, sign-up, callback and sign-out.
    if let Some(response) = auth.handle(request) {
        return response;
    }
    match request.uri().path() {
        "/" => html(StatusCode::OK, "<p><a href=/account>Your account</a>"),
        "/account" => match auth.require_user(request) {
            Ok(user) => account(&user),
            Err(rejection) => rejection.into_response(),
        },
        "/api/me" => match auth.require_api_user(request) {
            Ok(user) => me(&user),
            Err(rejection) => rejection.into_response(),
        },
        _ => html(StatusCode::NOT_FOUND, "<p>There is no such page."),
    }
}

fn account(user: &User) -> Response<Vec<u8>> {
    let name = user.claims().name.as_deref().unwrap_or("friend");
    let page = format!(
        "<h1>Hello, {}</h1><p><a href=/api/me>What the API says</a>\
         <form method=post action=/sign-out><button>Sign out</button></form>",
        escape(name)
    );
    html(StatusCode::OK, &page)
}

fn me(user: &User) -> Response<Vec<u8>> {
    let claims = user.claims();
    let body = json!({ "sub": claims.sub, "name": claims.name });
    let mut response = Response::new(body.to_string().into_bytes());
    set(&mut response, "application/json");
    response
}

fn html(status: StatusCode, body: &str) -> Response<Vec<u8>> {
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>logto and tiny_http</title>\
         <meta name=viewport content=\"width=device-width\"><style>{STYLE}</style><main>{body}</main>"
    );
    let mut response = Response::new(page.into_bytes());
    *response.status_mut() = status;
    set(&mut response, "text/html; charset=utf-8");
    response
}

/// What a user saw is gone from the browser when they are.
fn set(response: &mut Response<Vec<u8>>, content_type: &'static str) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
