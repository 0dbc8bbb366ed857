//! Fifty calls at once when the access token has expired.

use std::sync::Arc;
use std::thread;

use logto::storage::{MemoryStorage, PersistKey};
use logto::{Logto, LogtoClient};
use worker::Work;

use crate::sign_in;

const CALLS: usize = 50;

/// As it is stored, of a token that was good until 1970.
const EXPIRED: &str = r#"{"x":{"":{"token":"expired","expiresAt":1}}}"#;

pub(crate) fn of_one_object(logto: Logto) -> Work {
    let storage = Arc::new(MemoryStorage::new());
    let client = logto.client(Arc::clone(&storage));
    sign_in(&client);
    Box::new(move || {
        expire(&client);
        call_at_once(vec![client.clone(); CALLS]);
    })
}

pub(crate) fn of_fifty_objects(logto: Logto) -> Work {
    let storage = Arc::new(MemoryStorage::new());
    let first = logto.client(Arc::clone(&storage));
    sign_in(&first);
    Box::new(move || {
        expire(&first);
        let client = |_| logto.client(Arc::clone(&storage));
        call_at_once((0..CALLS).map(client).collect());
    })
}

fn expire(client: &LogtoClient) {
    let session = client.session();
    session.set(PersistKey::AccessTokenMap, EXPIRED).unwrap();
}

fn call_at_once(clients: Vec<LogtoClient>) {
    let calls = clients
        .into_iter()
        .map(|client| thread::spawn(move || assert!(client.access_token("").unwrap().is_some())));
    for call in calls.collect::<Vec<_>>() {
        call.join().unwrap();
    }
}
