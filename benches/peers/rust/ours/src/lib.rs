//! `logto` as a program that takes part. `ours-ring <endpoint>` does what it is told;
//! `ours-ring <endpoint> cold` prints one sign-in URL.

mod nowhere;
mod refresh;

use std::hint::black_box;
use std::sync::Arc;

use logto::storage::{MemoryStorage, SessionKey, Storage};
use logto::{
    CodeGrant, Logto, LogtoClient, LogtoConfig, MemoryStorage, OidcCore, SessionId, SessionKey,
    Storage as _,
};
use worker::{Work, Worker, parameter};

use self::nowhere::Nowhere;

const REDIRECT_URI: &str = "http://127.0.0.1:3000/callback";

/// # Panics
///
/// If anything fails.
pub fn main() {
    let mut arguments = std::env::args().skip(1);
    let endpoint = arguments.next().expect("the server's address");
    let logto = Logto::new(LogtoConfig::new(endpoint, "app").app_secret("secret")).unwrap();
    match arguments.next() {
        Some(_) => println!(
            "{}",
            logto
                .client(MemoryStorage::new())
                .sign_in(REDIRECT_URI)
                .unwrap()
        ),
        None => worker::run(Ours { logto }),
    }
}

struct Ours {
    logto: Logto,
}

impl Worker for Ours {
    fn prepare(&mut self, row: &str) -> Option<Work> {
        Some(match row {
            "verify-es384" => self.verify("ES384"),
            "verify-es256" => self.verify("ES256"),
            "verify-rs256" => self.verify("RS256"),
            "cached-one" => self.cached(),
            "cached-new" => self.cached_in_a_new_object(),
            "url-alone" => self.url_alone(),
            "url" => self.url(),
            "url-new" => self.url_of_a_new_object(),
            "callback-one" => self.callback(),
            "callback-new" => self.callback_of_new_objects(),
            "refresh-one" => refresh::of_one_object(self.logto.clone()),
            "refresh-fifty" => refresh::of_fifty_objects(self.logto.clone()),
            _ => return None,
        })
    }

    fn is_refused(&mut self, defect: &str) -> Option<bool> {
        let client = self.logto.client(MemoryStorage::new());
        let url = client.sign_in(REDIRECT_URI).unwrap();
        Some(
            client
                .handle_sign_in_callback(&callback(&url, defect))
                .is_err(),
        )
    }
}

impl Ours {
    fn verify(&self, algorithm: &str) -> Work {
        let core = self.logto.oidc_core().unwrap();
        let token = id_token(&core, algorithm);
        Box::new(move || {
            black_box(core.verify_id_token(&token, "app").unwrap());
        })
    }

    fn cached(&self) -> Work {
        let client = self.logto.client(MemoryStorage::new());
        sign_in(&client);
        Box::new(move || {
            black_box(client.access_token("").unwrap().unwrap());
        })
    }

    /// As a web application does for each of its requests.
    fn cached_in_a_new_object(&self) -> Work {
        let (logto, store, id) = (
            self.logto.clone(),
            MemoryStorage::new(),
            SessionId::random(),
        );
        sign_in(&logto.session(&store, &id));
        Box::new(move || {
            let client = logto.session(&store, &id);
            black_box(client.access_token("").unwrap().unwrap());
        })
    }

    fn url_alone(&self) -> Work {
        let client = self.logto.client(Nowhere);
        Box::new(move || {
            black_box(client.sign_in(REDIRECT_URI).unwrap());
        })
    }

    /// One client over a storage that is empty at each sign-in, as the SDKs' are but for one.
    fn url(&self) -> Work {
        let storage = Arc::new(MemoryStorage::new());
        let client = self.logto.client(Arc::clone(&storage));
        Box::new(move || {
            black_box(client.sign_in(REDIRECT_URI).unwrap());
            storage.remove(&SessionKey::ONLY).unwrap();
        })
    }

    fn url_of_a_new_object(&self) -> Work {
        let (logto, store) = (self.logto.clone(), MemoryStorage::new());
        Box::new(move || {
            let id = SessionId::random();
            black_box(logto.session(&store, &id).sign_in(REDIRECT_URI).unwrap());
            store.remove(&id.key()).unwrap();
        })
    }

    fn callback(&self) -> Work {
        let client = self.logto.client(MemoryStorage::new());
        Box::new(move || sign_in(&client))
    }

    /// A client for the request that starts the sign-in, and one for that of the callback.
    fn callback_of_new_objects(&self) -> Work {
        let (logto, store) = (self.logto.clone(), MemoryStorage::new());
        Box::new(move || {
            let id = SessionId::random();
            let url = logto.session(&store, &id).sign_in(REDIRECT_URI).unwrap();
            let (id, user) = logto
                .finish_sign_in(&store, &id, &callback(&url, ""))
                .unwrap();
            black_box(user);
            store.remove(&id.key()).unwrap();
        })
    }
}

fn id_token(core: &OidcCore, algorithm: &str) -> String {
    let tokens = core.fetch_token_by_code(&CodeGrant {
        client_id: "app",
        client_secret: Some("secret"),
        redirect_uri: REDIRECT_URI,
        code: &format!("{algorithm}~"),
        code_verifier: "verifier",
    });
    tokens.unwrap().id_token.unwrap().expose().to_owned()
}

fn sign_in(client: &LogtoClient) {
    let url = client.sign_in(REDIRECT_URI).unwrap();
    black_box(client.handle_sign_in_callback(&callback(&url, "")).unwrap());
}

/// Where the browser comes back to. The code tells the server what ID token to give.
fn callback(url: &str, defect: &str) -> String {
    let (state, nonce) = (parameter(url, "state"), parameter(url, "nonce"));
    let issuer = url.split_once("/auth?").unwrap().0;
    format!("{REDIRECT_URI}?code=ES384~{nonce}~{defect}&state={state}&iss={issuer}")
}
