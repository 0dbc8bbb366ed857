//! What the users of a web application see while their sessions are moved without downtime: what the
//! guide says that they do.

use http::{Request, Response, StatusCode, header};
use logto::storage::{MemoryStorage, migrate};
use logto::web::WebAuth;
use logto::{Logto, LogtoConfig, MigrationCounts};
use logto_testing::{FakeLogto, FakeUser};

use crate::scene::contents;

const BASE_URL: &str = "https://app.example.com";

/// The old version of an application and the new one, each over its storage, and one browser.
struct Scene {
    fake: FakeLogto,
    old: (WebAuth, MemoryStorage),
    new: (WebAuth, MemoryStorage),
    cookie: String,
}

impl Scene {
    fn new() -> Self {
        let fake = FakeLogto::builder().user(FakeUser::new("alice")).start();
        let config = LogtoConfig::new(fake.endpoint(), fake.app_id()).app_secret(fake.app_secret());
        let version = || {
            let logto = Logto::builder(config.clone()).clock(fake.clock());
            let storage = MemoryStorage::new();
            let auth = WebAuth::new(logto.build().unwrap(), storage.clone(), BASE_URL);
            (auth.unwrap(), storage)
        };
        let (old, new) = (version(), version());
        Self {
            fake,
            old,
            new,
            cookie: String::new(),
        }
    }

    fn request(&self, target: &str) -> Request<Vec<u8>> {
        let request = Request::get(target).header(header::COOKIE, &self.cookie);
        request.body(Vec::new()).unwrap()
    }

    /// Keeps the cookie that is set.
    fn visit(&mut self, auth: &WebAuth, target: &str) -> Response<Vec<u8>> {
        let response = auth.handle(&self.request(target)).unwrap();
        if let Some(cookie) = response.headers().get(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
            self.cookie = cookie.to_owned();
        }
        response
    }

    /// At Logto, where Alice has a session; returns what she comes back with.
    fn begin_sign_in(&mut self, auth: &WebAuth) -> String {
        let at_logto = self.visit(auth, "/sign-in");
        let location = at_logto.headers()[header::LOCATION].to_str().unwrap();
        let callback = self.fake.authorize(location);
        callback.strip_prefix(BASE_URL).unwrap().to_owned()
    }

    fn sign_in(&mut self, auth: &WebAuth) {
        let callback = self.begin_sign_in(auth);
        assert_eq!(self.visit(auth, &callback).status(), StatusCode::SEE_OTHER);
    }

    fn is_signed_in(&self, auth: &WebAuth) -> bool {
        auth.user(&self.request("/")).unwrap().is_some()
    }

    fn move_sessions(&self) -> MigrationCounts {
        let migration = migrate(&self.old.1, &self.new.1).remove_moved(true);
        migration.run().unwrap()
    }
}

#[test]
fn who_looks_at_a_page_is_signed_in_again_when_the_session_has_come() {
    let mut scene = Scene::new();
    let (old, new) = (scene.old.0.clone(), scene.new.0.clone());
    scene.sign_in(&old);
    assert!(scene.is_signed_in(&old));

    assert!(!scene.is_signed_in(&new));
    assert!(new.require_user(&scene.request("/orders")).is_err());
    assert!(contents(&scene.new.1).is_empty());

    assert_eq!(scene.move_sessions().removed, 1);
    assert!(scene.is_signed_in(&new));
    assert!(!scene.is_signed_in(&old));
}

#[test]
fn who_signs_in_anew_before_the_session_has_come_stays_signed_in() {
    let mut scene = Scene::new();
    let (old, new) = (scene.old.0.clone(), scene.new.0.clone());
    scene.sign_in(&old);
    let before = scene.cookie.clone();
    scene.sign_in(&new);
    assert_ne!(scene.cookie, before);
    scene.move_sessions();
    assert!(scene.is_signed_in(&new));
}

#[test]
fn who_is_at_logto_when_the_session_is_to_be_moved_stays_signed_in() {
    let mut scene = Scene::new();
    let (old, new) = (scene.old.0.clone(), scene.new.0.clone());
    scene.sign_in(&old);
    let callback = scene.begin_sign_in(&new);
    let counts = scene.move_sessions();
    assert_eq!((counts.already_there, counts.removed), (1, 0));
    assert_eq!(scene.visit(&new, &callback).status(), StatusCode::SEE_OTHER);
    assert!(scene.is_signed_in(&new));
    assert_eq!(contents(&scene.old.1).len(), 1);
}

#[test]
fn a_sign_in_under_way_is_finished_if_its_session_has_come() {
    let mut scene = Scene::new();
    let (old, new) = (scene.old.0.clone(), scene.new.0.clone());
    let callback = scene.begin_sign_in(&old);
    let early = scene.visit(&new, &callback);
    assert!(early.status().is_client_error(), "{early:?}");
    assert!(contents(&scene.new.1).is_empty());

    assert_eq!(scene.move_sessions().removed, 1);
    assert_eq!(scene.visit(&new, &callback).status(), StatusCode::SEE_OTHER);
    assert!(scene.is_signed_in(&new));
}
