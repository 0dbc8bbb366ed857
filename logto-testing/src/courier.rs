//! Taking logout tokens to the applications.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use url::form_urlencoded;

use crate::app::FakeApp;
use crate::http::post_form;

/// A logout token that was sent to an application, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogoutDelivery {
    /// The id of the application.
    pub app: String,
    /// Where it was sent.
    pub uri: String,
    /// The logout token.
    pub token: String,
    /// The status of the answer, or why there was none. Logto expects 200 or 204, and follows no
    /// redirect.
    pub outcome: Result<u16, String>,
}

/// Sends logout tokens, each from a thread of its own.
#[derive(Debug, Default)]
pub(crate) struct Courier {
    uris: Mutex<HashMap<String, String>>,
    log: Arc<Log>,
}

#[derive(Debug, Default)]
struct Log {
    entries: Mutex<Entries>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Entries {
    under_way: usize,
    done: Vec<LogoutDelivery>,
}

impl Courier {
    pub(crate) fn new(apps: &[FakeApp]) -> Self {
        let uris = apps
            .iter()
            .filter_map(|app| Some((app.id.clone(), app.backchannel_logout_uri.clone()?)));
        Self {
            uris: Mutex::new(uris.collect()),
            log: Arc::default(),
        }
    }

    pub(crate) fn set_uri(&self, app: &str, uri: String) {
        lock(&self.uris).insert(app.to_owned(), uri);
    }

    pub(crate) fn uri(&self, app: &str) -> Option<String> {
        lock(&self.uris).get(app).cloned()
    }

    /// Sends a token in the background.
    pub(crate) fn send(&self, app: &str, uri: String, token: String) {
        lock(&self.log.entries).under_way += 1;
        let (app, log) = (app.to_owned(), Arc::clone(&self.log));
        thread::spawn(move || log.arrive(deliver(app, uri, token)));
    }

    /// What was sent in the background, once all of it has arrived or failed.
    pub(crate) fn deliveries(&self) -> Vec<LogoutDelivery> {
        let entries = self
            .log
            .arrived
            .wait_while(lock(&self.log.entries), |entries| entries.under_way > 0);
        entries.unwrap_or_else(PoisonError::into_inner).done.clone()
    }
}

impl Log {
    fn arrive(&self, delivery: LogoutDelivery) {
        let mut entries = lock(&self.entries);
        entries.under_way -= 1;
        entries.done.push(delivery);
        self.arrived.notify_all();
    }
}

/// Sends a token, and waits for the answer.
pub(crate) fn deliver(app: String, uri: String, token: String) -> LogoutDelivery {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("logout_token", &token)
        .finish();
    let outcome = post_form(&uri, &form).map_err(|error| error.to_string());
    log::debug!("logout token for {app}: {outcome:?}");
    LogoutDelivery {
        app,
        uri,
        token,
        outcome,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
