//! On the way to the server and back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use logto::{HttpClient, HttpError, UreqClient};
use logto_testing::{Endpoint, Misbehaviour};

use crate::scene::Scene;

/// Fails token requests as long as it is told to, without sending them.
#[derive(Debug, Default, Clone)]
struct Unplugged {
    inner: UreqClient,
    is_unplugged: Arc<AtomicBool>,
}

impl HttpClient for Unplugged {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
        body_limit: u64,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        match self.is_unplugged.load(Ordering::SeqCst) {
            true => Err(HttpError::Connect {
                url: request.uri().path().to_owned(),
                source: Arc::new(std::io::Error::other("no route to host")),
            }),
            false => self.inner.send(request, body_limit),
        }
    }
}

#[test]
fn before_it_is_sent() {
    let http = Unplugged::default();
    let scene = Scene::with(|builder| builder.http_client(http.clone()));
    scene.expire();
    let before = scene.identity();
    http.is_unplugged.store(true, Ordering::SeqCst);
    let error = scene.token().unwrap_err();
    assert!(
        error.is_retryable() && !error.requires_sign_in(),
        "{error:?}"
    );
    assert_eq!(scene.identity(), before);
    assert_eq!(scene.refreshes(), 0);
    http.is_unplugged.store(false, Ordering::SeqCst);
    scene.pass_the_grace();
    scene.token().unwrap().unwrap();
    scene.lives();
}

#[test]
fn into_a_dead_pooled_connection() {
    let scene = Scene::new();
    scene.expire();
    scene
        .fake
        .misbehave_times(Endpoint::Token, 1, Misbehaviour::CloseUnprocessed);
    scene.token().unwrap().expect("sent again at once");
    scene.lives();
}

#[test]
fn with_the_connection_closed_before_or_in_the_answer() {
    for misbehaviour in [
        Misbehaviour::CloseBeforeResponse,
        Misbehaviour::CloseMidResponse,
    ] {
        let scene = Scene::new();
        scene.expire();
        scene.fake.misbehave_times(Endpoint::Token, 1, misbehaviour);
        scene
            .token()
            .unwrap()
            .expect("sent again within the server's grace");
        assert_eq!(scene.refreshes(), 2);
        scene.lives();
    }
}

#[test]
fn with_every_answer_lost() {
    let scene = Scene::new();
    scene.expire();
    let before = scene.identity();
    let refresh_token = scene.client.refresh_token().unwrap();
    scene
        .fake
        .misbehave(Endpoint::Token, Misbehaviour::CloseBeforeResponse);
    let error = scene.token().unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(scene.refreshes(), 2, "twice and not more");
    assert_eq!(
        (scene.identity(), scene.client.refresh_token().unwrap()),
        (before, refresh_token)
    );

    scene.fake.calm();
    scene
        .token()
        .unwrap()
        .expect("a second call within the server's grace recovers");
    scene.lives();
}

#[test]
fn with_the_answer_lost_for_longer_than_the_server_forgives() {
    let scene = Scene::new();
    scene.expire();
    scene
        .fake
        .misbehave(Endpoint::Token, Misbehaviour::CloseBeforeResponse);
    scene.token().unwrap_err();
    scene.fake.calm();
    scene.pass_the_grace();
    let error = scene.token().unwrap_err();
    assert!(
        error.requires_sign_in() && !error.is_retryable(),
        "{error:?}"
    );
    assert_eq!(scene.client.refresh_token().unwrap(), None, "gone");
    assert!(
        scene.client.is_authenticated().unwrap(),
        "who it was is still known"
    );
    scene.fake.clear_requests();
    assert_eq!(scene.token().unwrap(), None);
    assert!(scene.fake.requests().is_empty());
}
