//! Whole sign-ins, well and badly ended: neither the log nor an error has a secret of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use logto::storage::{
    EncryptedStorage, EncryptionKey, FileStorage, MemoryStorage, PersistKey, RedisStorage,
    SledStorage, SqliteStorage, Storage,
};
use logto::{
    AccessTokenRequest, Logto, LogtoClient, LogtoConfig, LogtoError, Session, SessionId,
    SignInOptions, StorageErrorKind, UserInfoScope,
};
use logto_testing::{
    Endpoint, FakeApp, FakeLogto, FakeUser, Faulty, Misbehaviour, StorageCall, TestClock,
};
use serde_json::{Value, json};

use crate::captured;
use crate::hunt::{Secrets, chain, debug};
use crate::server::{Cluster, RedisServer};

const RESOURCE: &str = "https://api.example.com";
const REDIRECT_URI: &str = "http://localhost:3000/callback";
const APP_SECRET: &str = "Xk2+/Zq9:%pV7fJw4tHs";
const REDIS_PASSWORD: &str = "8dKq3mVx0RtYbN5w";
const PASSPHRASE: &str = "correct horse battery staple";

/// A session whose secrets are collected on the way, with all that is printed of it.
struct Scene {
    fake: FakeLogto,
    clock: TestClock,
    logto: Logto,
    storage: Arc<dyn Storage>,
    id: SessionId,
    secrets: Secrets,
    printed: String,
}

impl Scene {
    fn new(app_secret: Option<&str>, storage: Arc<dyn Storage>) -> Self {
        captured::install();
        let app = match app_secret {
            Some(secret) => FakeApp::web("app", secret),
            None => FakeApp::native("app"),
        };
        let fake = FakeLogto::builder()
            .app(app)
            .user(FakeUser::new("alice").organization("org_1", "Acme", ["admin"]))
            .resource(RESOURCE, ["read:items"])
            .start();
        let clock = fake.clock();
        clock.freeze();
        let mut config = LogtoConfig::new(fake.endpoint(), "app")
            .resources([RESOURCE])
            .scopes([UserInfoScope::Organizations]);
        let mut secrets = Secrets::default();
        if let Some(secret) = app_secret {
            config = config.app_secret(secret);
            secrets.add("the app's secret", secret);
        }
        let logto = Logto::builder(config).clock(clock.clone());
        let logto = logto.build().unwrap();
        Self {
            fake,
            clock,
            logto,
            storage,
            id: SessionId::random(),
            secrets,
            printed: String::new(),
        }
    }

    fn client(&self) -> LogtoClient {
        self.logto.session(&self.storage, &self.id)
    }

    fn expire(&self) {
        self.clock.advance(Duration::from_secs(3600));
    }

    /// Collects the secrets that exist now.
    fn look(&mut self) {
        self.secrets.add("a session id", self.id.expose());
        self.secrets.add_key(&self.id.key());
        let session = Session::new(Arc::clone(&self.storage), self.id.key());
        for key in PersistKey::ALL {
            if let Some(stored) = session.get(key).unwrap() {
                self.secrets.add_stored(&format!("the {key}"), &stored);
            }
        }
        if let Some(record) = self.storage.load(&self.id.key()).unwrap() {
            let data: Value = serde_json::from_str(record.data()).unwrap();
            if let Some(token) = data["pendingRefreshToken"].as_str() {
                self.secrets.add("the pendingRefreshToken", token);
            }
        }
        for request in self.fake.requests() {
            for (name, value) in request.query.iter().chain(&request.form) {
                if is_secret(name) {
                    self.secrets.add(name, value);
                }
            }
            if let Some(authorization) = request.header("Authorization") {
                let (_, credentials) = authorization.split_once(' ').unwrap();
                self.secrets.add("credentials", credentials);
            }
        }
    }

    fn note_failure<T>(&mut self, result: Result<T, LogtoError>) {
        let error = result.err().expect("this fails");
        self.printed += &chain(&error);
        self.look();
    }

    fn begin(&mut self) -> String {
        let options = SignInOptions::new(REDIRECT_URI).one_time_token("one-time-token-of-alice");
        self.secrets
            .add("one_time_token", "one-time-token-of-alice");
        let url = self.client().sign_in(options).unwrap();
        self.look();
        let callback = self.fake.authorize(&url);
        let parsed = url::Url::parse(&callback).unwrap();
        for (name, value) in parsed.query_pairs().filter(|(name, _)| is_secret(name)) {
            self.secrets.add(&name, &value);
        }
        callback
    }

    fn sign_in(&mut self) {
        let callback = self.begin();
        let (id, user) = self
            .logto
            .finish_sign_in(&self.storage, &self.id, &callback)
            .unwrap();
        self.printed += &debug(&user);
        self.id = id;
        self.look();
    }

    fn use_tokens(&mut self) {
        let client = self.client();
        for _ in 0..2 {
            client.access_token(None).unwrap().unwrap();
            client.access_token(RESOURCE).unwrap().unwrap();
            client.organization_token("org_1").unwrap().unwrap();
            client.fetch_user_info().unwrap();
            self.look();
            self.expire();
        }
        let forced = AccessTokenRequest::new().force_refresh(true);
        client.access_token(forced).unwrap().unwrap();
        self.printed += &debug(&client);
        self.look();
    }

    fn refuse_callbacks(&mut self) {
        let good = self.begin();
        for bad in [
            good.replace("/callback", "/other"),
            good.replace("state=", "state=x"),
            format!("{good}&code=again"),
            format!("{good}#fragment"),
            good.replace("code=", "error=e&error_description=d&no_code="),
            good.replace("iss=", "no_iss="),
        ] {
            let result = self.client().handle_sign_in_callback(&bad);
            self.note_failure(result);
        }
        let result = self.client().handle_sign_in_callback(&good);
        self.note_failure(result);
    }

    /// Each way in which the token endpoint can fail at a refresh, and at a code.
    fn misbehave(&mut self) {
        for misbehaviour in [
            Misbehaviour::Html,
            Misbehaviour::Garbage,
            Misbehaviour::Status(500),
            Misbehaviour::CloseBeforeResponse,
            Misbehaviour::WrongSignature,
            refusal("invalid_grant", "grant request is invalid"),
        ] {
            self.sign_in();
            self.expire();
            self.fake.misbehave(Endpoint::Token, misbehaviour);
            let result = self.client().access_token(RESOURCE);
            self.note_failure(result);
            let callback = self.begin();
            let result = self.client().handle_sign_in_callback(&callback);
            self.note_failure(result);
            self.fake.calm();
        }
    }

    /// Answers that have the tokens where nobody expects them.
    fn repeat_tokens(&mut self) {
        let issued = Arc::new(Mutex::new(Vec::new()));
        type Shape = fn(&str) -> serde_json::Value;
        let shapes: [Shape; 4] = [
            |all| json!({ "access_token": [all], "token_type": "Bearer" }),
            |all| json!({ "access_token": "t", "token_type": all }),
            |all| json!({ "access_token": "t", "token_type": "Bearer", "expires_in": all }),
            |all| json!([all]),
        ];
        for shape in shapes {
            self.sign_in();
            self.expire();
            let seen = Arc::clone(&issued);
            self.fake.tamper_response(Endpoint::Token, move |answer| {
                seen.lock().unwrap().push(answer.clone());
                *answer = shape(&answer.to_string());
            });
            let result = self.client().access_token(RESOURCE);
            self.note_failure(result);
            self.fake.calm();
        }
        for answer in issued.lock().unwrap().iter() {
            for name in ["access_token", "refresh_token", "id_token"] {
                if let Some(token) = answer[name].as_str() {
                    self.secrets.add(name, token);
                }
            }
        }
    }

    /// Errors that repeat what was sent.
    fn repeat_request(&mut self) {
        self.sign_in();
        self.expire();
        let refresh_token = self.client().refresh_token().unwrap().unwrap();
        let text = format!("unknown token: {refresh_token}");
        let refusal = refusal(&refresh_token, &text);
        self.fake.misbehave(Endpoint::Token, refusal);
        let result = self.client().access_token(RESOURCE);
        self.note_failure(result);
        self.fake.calm();
        let access_token = self.client().access_token(None).unwrap().unwrap();
        let text = format!("{access_token} is not good");
        let refusal = refusal_of(401, "unheard_of", &text);
        self.fake.misbehave(Endpoint::UserInfo, refusal);
        let result = self.client().fetch_user_info();
        self.note_failure(result);
        self.fake.calm();
    }

    fn fail_to_store(&mut self) {
        self.sign_in();
        for call in [StorageCall::Load, StorageCall::Lock, StorageCall::Save] {
            self.expire();
            let faulty = Faulty::new(Arc::clone(&self.storage));
            let client = self.logto.session(&faulty, &self.id);
            faulty.fail(call, 1, StorageErrorKind::Backend);
            if let Err(error) = client.access_token(RESOURCE) {
                self.printed += &chain(&error);
            }
            self.printed += &debug(&faulty);
            self.look();
        }
    }

    fn sign_out(&mut self) {
        for misbehaviour in [None, Some(Misbehaviour::Status(500))] {
            self.sign_in();
            if let Some(misbehaviour) = misbehaviour {
                self.fake.misbehave(Endpoint::Revocation, misbehaviour);
            }
            let sign_out = self.client().sign_out("http://localhost:3000/").unwrap();
            self.printed += &debug(&sign_out);
            self.look();
            self.fake.calm();
        }
    }

    /// Does everything, and looks for what came to light.
    fn run(mut self) {
        self.sign_in();
        self.use_tokens();
        self.refuse_callbacks();
        self.misbehave();
        self.repeat_tokens();
        self.repeat_request();
        self.fail_to_store();
        self.sign_out();
        let names = self.secrets.names();
        for expected in [
            "code",
            "the signInSession's codeVerifier",
            "the signInSession's state",
            "the signInSession's nonce",
            "the idToken",
            "a part of the idToken",
            "the refreshToken",
            "the key of a session",
            "the accessTokenMap's token",
            "a part of the accessTokenMap's token",
            "a session id",
        ] {
            assert!(names.contains(expected), "{expected} is not in {names:?}");
        }
        self.printed += &debug(&self.storage);
        self.secrets.are_not_in(&self.printed, "printed");
        self.secrets.are_not_in(&captured::text(), "the log");
        self.requests_are_logged();
    }

    /// A line for each request: method, URL without query, status, time.
    fn requests_are_logged(&self) {
        let made = self.fake.requests();
        let made = made.iter().filter(|one| one.connection != 0).count();
        let logged: Vec<_> = captured::lines()
            .into_iter()
            .filter(|line| line.target == "logto_core::http")
            .filter(|line| line.text.contains(self.fake.endpoint()))
            .collect();
        assert_eq!(logged.len(), made);
        let token = format!("DEBUG POST {}/oidc/token: 200 OK in ", self.fake.endpoint());
        let is_whole = |text: &str| {
            let time = text.strip_prefix(&token).unwrap_or_default();
            let time = time.strip_suffix(" ms").unwrap_or_default();
            time.parse::<u32>().is_ok()
        };
        assert!(logged.iter().any(|line| is_whole(&line.text)));
        assert!(logged.iter().all(|line| !line.text.contains('?')));
    }
}

fn is_secret(name: &str) -> bool {
    let names = [
        "code",
        "code_verifier",
        "state",
        "nonce",
        "refresh_token",
        "token",
        "id_token_hint",
        "client_secret",
    ];
    names.contains(&name)
}

fn refusal(error: &str, description: &str) -> Misbehaviour {
    refusal_of(400, error, description)
}

fn refusal_of(status: u16, error: &str, description: &str) -> Misbehaviour {
    Misbehaviour::Error {
        status,
        error: error.to_owned(),
        description: description.to_owned(),
    }
}

#[test]
fn sign_ins_of_a_web_application_in_memory() {
    Scene::new(Some(APP_SECRET), Arc::new(MemoryStorage::new())).run();
}

#[test]
fn sign_ins_of_a_native_application_in_memory() {
    Scene::new(None, Arc::new(MemoryStorage::new())).run();
}

#[test]
fn sign_ins_in_encrypted_memory() {
    let key = EncryptionKey::generate_base64();
    let sealer = EncryptionKey::from_base64(key.expose()).unwrap();
    let storage = EncryptedStorage::new(MemoryStorage::new(), sealer);
    let mut scene = Scene::new(Some(APP_SECRET), Arc::new(storage));
    scene.secrets.add("the key", key.expose());
    scene.run();
}

#[test]
fn sign_ins_in_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let storage = SqliteStorage::open(directory.path().join("sessions.db")).unwrap();
    Scene::new(Some(APP_SECRET), Arc::new(storage)).run();
}

#[test]
fn sign_ins_in_sled() {
    let directory = tempfile::tempdir().unwrap();
    let storage = SledStorage::open(directory.path().join("sessions")).unwrap();
    Scene::new(Some(APP_SECRET), Arc::new(storage)).run();
}

#[test]
fn sign_ins_in_redis() {
    let server = RedisServer::builder().password(REDIS_PASSWORD).start();
    let storage = RedisStorage::open(&server.url()).unwrap();
    let mut scene = Scene::new(Some(APP_SECRET), Arc::new(storage));
    scene.secrets.add("the password of Redis", REDIS_PASSWORD);
    scene.run();
}

#[test]
fn sign_ins_in_a_cluster() {
    let cluster = Cluster::start(3, 0);
    let storage = RedisStorage::open(&cluster.url()).unwrap();
    Scene::new(None, Arc::new(storage)).run();
}

#[test]
fn sign_ins_in_files_with_a_passphrase() {
    let directory = tempfile::tempdir().unwrap();
    let key = EncryptionKey::from_passphrase(PASSPHRASE).unwrap();
    let storage = FileStorage::open(directory.path().join("sessions"), key).unwrap();
    let mut scene = Scene::new(None, Arc::new(storage));
    scene.secrets.add("the passphrase", PASSPHRASE);
    scene.run();
}
