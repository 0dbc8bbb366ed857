//! A window whose user signs in with Logto. See the README beside it.

mod api;
mod claims;
mod demo_picture;
mod logto_server;
mod picture;
mod session;
mod settings;
mod theme;
mod view;
mod worker;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use eframe::egui::{Context, ViewportBuilder};

use api::Api;
use logto_server::LogtoServer;
use session::Session;
use view::Window;
use worker::Setup;

type Failure = Box<dyn Error + Send + Sync>;

const TITLE: &str = "Logto window";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("window: {}", with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    // It is kept until the window closes: a fake one ends with it.
    let server = LogtoServer::from_env()?;
    let options = eframe::NativeOptions {
        viewport: ViewportBuilder::default()
            .with_inner_size([900.0, 600.0])
            .with_min_inner_size([420.0, 360.0]),
        // There are no gradients, and it makes plain areas uneven.
        dithering: false,
        ..Default::default()
    };
    eframe::run_native(
        TITLE,
        options,
        Box::new(|creation| {
            theme::apply(&creation.egui_ctx)?;
            let session = Session::start(setup(&server, creation.egui_ctx.clone()));
            Ok(Box::new(Window::new(session, server.description())))
        }),
    )
    .map_err(|error| with_causes(&error).into())
}

fn setup(server: &LogtoServer, window: Context) -> Setup {
    Setup {
        open: Box::new(server.opener()),
        browser: Arc::new(webbrowser::open),
        api: Api::from_env(server.config.resources.first()),
        wake: Arc::new(move || window.request_repaint()),
    }
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

/// Error messages start small, or with a URL, and end without a stop.
fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let sentence: String = match message.starts_with("http") {
        true => message.to_owned(),
        false => {
            let first = letters.next().into_iter().flat_map(char::to_uppercase);
            first.chain(letters).collect()
        }
    };
    match sentence.ends_with(['.', '?', '!']) {
        true => sentence,
        false => sentence + ".",
    }
}
