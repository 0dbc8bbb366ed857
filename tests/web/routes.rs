//! What each route does when nothing is wrong.

use std::thread;

use http::{Method, Request, StatusCode};
use logto::DirectSignIn;
use logto_testing::{Endpoint, StorageCall};
use serde_json::{Value, json};
use url::Url;

use crate::scene::{BASE_URL, COOKIE, Scene, Visitor, location, parameter, sign_in_to, text};

#[test]
fn a_sign_in_ends_on_the_page_that_was_asked_for_under_a_new_session_id() {
    let scene = Scene::new();
    let mut visitor = Visitor::default();

    let sent = visitor.get(&scene, "/orders?page=2&sort=a%26b");
    let to = location(&sent).to_owned();
    assert_eq!(to, sign_in_to("/orders?page=2&sort=a%26b"));
    let started = visitor.get(&scene, &to);
    let url = Url::parse(location(&started)).unwrap();
    assert!(url.as_str().starts_with(scene.fake.endpoint()), "{url}");
    assert_eq!(parameter(&started, "first_screen"), None);
    let before = visitor.session_id().unwrap().to_owned();

    let callback = scene.at_logto("alice", url.as_str());
    let landed = visitor.get(&scene, &callback);
    assert_eq!(location(&landed), "/orders?page=2&sort=a%26b");
    assert_eq!(landed.headers()["cache-control"], "no-store");
    assert_eq!(landed.headers()["referrer-policy"], "no-referrer");
    assert_ne!(visitor.session_id().unwrap(), before);
    assert_eq!(text(&visitor.get(&scene, "/orders?page=2")), "alice");

    visitor.plant(&before);
    assert_eq!(visitor.who(&scene), "nobody");
}

#[test]
fn a_sign_in_that_began_nowhere_ends_where_the_application_says() {
    let scene = Scene::new();
    let landed = Visitor::default().sign_in(&scene, "alice", "/sign-in");
    assert_eq!(location(&landed), "/");

    let scene = Scene::with(|builder| builder.after_sign_in("/dashboard?new=1"));
    let landed = Visitor::default().sign_in(&scene, "alice", "/sign-in");
    assert_eq!(location(&landed), "/dashboard?new=1");
}

#[test]
fn a_sign_up_starts_with_the_registration_page() {
    let scene = Scene::new();
    let mut visitor = Visitor::default();
    let started = visitor.get(&scene, "/sign-up?return_to=%2Fwelcome");
    let first_screen = parameter(&started, "first_screen");
    assert_eq!(first_screen.as_deref(), Some("register"));
    let callback = scene.at_logto("alice", location(&started));
    assert_eq!(location(&visitor.get(&scene, &callback)), "/welcome");
}

#[test]
fn an_application_says_what_a_sign_in_asks_and_not_where_it_comes_back_to() {
    let scene = Scene::with(|builder| {
        builder.sign_in_options(|request, options| {
            let language = request.headers()["accept-language"].to_str().unwrap();
            let mut options = options
                .login_hint(request.uri().query().unwrap_or_default())
                .ui_locales([language])
                .direct_sign_in(DirectSignIn::Social("google".to_owned()))
                .post_redirect_uri("https://evil.example/");
            options.redirect_uri = "https://evil.example/callback".to_owned();
            options
        })
    });
    let mut visitor = Visitor::default();
    let german = [("accept-language", "de")];
    let started = visitor.send(&scene, Method::GET, "/sign-up?return_to=/orders", &german);
    let redirect_uri = format!("{BASE_URL}/callback");
    for (name, value) in [
        ("login_hint", "return_to=/orders"),
        ("ui_locales", "de"),
        ("direct_sign_in", "social:google"),
        ("first_screen", "register"),
        ("redirect_uri", &redirect_uri),
    ] {
        assert_eq!(parameter(&started, name).as_deref(), Some(value), "{name}");
    }
    let callback = scene.at_logto("alice", location(&started));
    assert_eq!(location(&visitor.get(&scene, &callback)), "/orders");
}

#[test]
fn two_tabs_sign_in_in_either_order_and_each_lands_on_its_page() {
    let scene = Scene::new();
    let mut visitor = Visitor::default();
    let [first, second] = ["/first", "/second"].map(|page| {
        let started = visitor.get(&scene, &sign_in_to(page));
        scene.at_logto("alice", location(&started))
    });
    assert_eq!(location(&visitor.get(&scene, &second)), "/second");
    assert_eq!(location(&visitor.get(&scene, &first)), "/first");
    assert_eq!(visitor.who(&scene), "alice");
}

#[test]
fn a_callback_that_is_reloaded_leads_on_when_the_user_is_signed_in() {
    let scene = Scene::new();
    let mut visitor = Visitor::default();
    let started = visitor.get(&scene, "/sign-in");
    let callback = scene.at_logto("alice", location(&started));
    visitor.get(&scene, &callback);
    scene.fake.clear_requests();

    let again = visitor.get(&scene, &callback);
    assert_eq!(location(&again), "/");
    assert!(scene.fake.requests().is_empty());
    assert_eq!(visitor.who(&scene), "alice");
}

#[test]
fn callback_sent_many_times_at_once_signs_in_once() {
    let scene = Scene::new();
    let mut visitor = Visitor::default();
    let started = visitor.get(&scene, "/sign-in");
    let callback = scene.at_logto("alice", location(&started));
    let answers: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| visitor.clone().get(&scene, &callback)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let cookies = answers
        .iter()
        .filter(|answer| answer.headers().contains_key("set-cookie"));
    assert_eq!(cookies.count(), 1);
    // One that waited is sent on; one that came later finds the session moved.
    for answer in answers {
        match answer.status() {
            StatusCode::SEE_OTHER => assert_eq!(location(&answer), "/"),
            status => assert_eq!(status, StatusCode::BAD_REQUEST),
        }
    }
    assert_eq!(scene.fake.requests_to(Endpoint::Token).len(), 1);
}

#[test]
fn a_warm_callback_is_one_request_to_the_server() {
    let scene = Scene::new();
    scene.signed_in("alice");
    let mut visitor = Visitor::default();
    let started = visitor.get(&scene, "/sign-in");
    let callback = scene.at_logto("mallory", location(&started));
    scene.fake.clear_requests();
    visitor.get(&scene, &callback);
    let asked = scene.asked();
    let endpoints: Vec<_> = asked.iter().map(|request| request.endpoint()).collect();
    assert_eq!(endpoints, [Some(Endpoint::Token)]);
}

#[test]
fn a_request_of_a_user_is_one_read_of_the_store_and_no_request() {
    let scene = Scene::new();
    let mut visitor = scene.signed_in("alice");
    scene.fake.clear_requests();
    for target in ["/account", "/api/items", "/", "/user"] {
        let before = scene.storage.calls(StorageCall::Any);
        assert_eq!(visitor.get(&scene, target).status(), 200);
        assert_eq!(
            scene.storage.calls(StorageCall::Any) - before,
            1,
            "{target}"
        );
    }
    assert!(scene.fake.requests().is_empty());
}

#[test]
fn a_visitor_without_a_cookie_costs_no_read_and_gets_none() {
    let scene = Scene::new();
    let mut visitor = Visitor::default();
    for target in ["/account", "/api/items", "/", "/user", "/callback"] {
        visitor.get(&scene, target);
        visitor.sign_out(&scene);
    }
    assert_eq!(scene.storage.calls(StorageCall::Any), 0);
    assert!(visitor.jar.is_empty());
    assert!(scene.fake.requests().is_empty());
}

#[test]
fn scripts_are_told_who_is_signed_in_and_nothing_of_the_protocol() {
    let scene = Scene::new();
    let nobody = Visitor::default().get(&scene, "/user");
    assert_eq!(nobody.status(), 401);
    assert_eq!(text(&nobody), r#"{"error":"unauthenticated"}"#);
    assert!(!nobody.headers().contains_key("www-authenticate"));

    let answer = scene.signed_in("alice").get(&scene, "/user");
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let claims: Value = serde_json::from_slice(answer.body()).unwrap();
    let mut claims = claims.as_object().unwrap().clone();
    assert_eq!(claims.remove("sub"), Some(json!("alice")));
    assert_eq!(claims.remove("name"), Some(json!("Alice Example")));
    for name in claims.keys() {
        let is_of_the_protocol = protocol_claims().contains(&name.as_str());
        assert!(!is_of_the_protocol, "{name}");
    }
}

fn protocol_claims() -> [&'static str; 9] {
    [
        "iss",
        "aud",
        "exp",
        "iat",
        "nonce",
        "at_hash",
        "sid",
        "azp",
        "auth_time",
    ]
}

#[test]
fn the_user_is_told_to_nobody_where_the_application_does_not_ask_for_it() {
    let scene = Scene::new();
    let storage = scene.storage.clone();
    let logto = scene.auth.logto().clone();
    let auth = logto::web::WebAuth::new(logto, storage, BASE_URL).unwrap();
    let request = Request::get("/user").body(Vec::new()).unwrap();
    assert!(auth.handle(&request).is_none());
}

#[test]
fn signing_out_ends_the_session_here_and_there() {
    let scene = Scene::new();
    let mut visitor = scene.signed_in("alice");
    let id = visitor.session_id().unwrap().to_owned();
    let answer = visitor.sign_out(&scene);
    let home = format!("{BASE_URL}/");
    let back = parameter(&answer, "post_logout_redirect_uri");
    assert_eq!(back.as_ref(), Some(&home));
    assert_eq!(scene.fake.sign_out(location(&answer)), home);
    assert_eq!(visitor.session_id(), None);
    assert_eq!(scene.fake.requests_to(Endpoint::Revocation).len(), 1);

    visitor.plant(&id);
    assert_eq!(visitor.who(&scene), "nobody");
    let started = visitor.get(&scene, "/sign-in");
    assert_eq!(
        visitor.session_id(),
        Some(id.as_str()),
        "an empty session is as good as a new one"
    );
    let callback = scene.at_logto("mallory", location(&started));
    visitor.get(&scene, &callback);
    assert_eq!(visitor.who(&scene), "mallory");
}

#[test]
fn signing_in_as_another_user_takes_the_place_of_the_first() {
    let scene = Scene::new();
    let mut visitor = scene.signed_in("alice");
    let first = visitor.clone();
    visitor.sign_in(&scene, "mallory", "/sign-in");
    assert_eq!(visitor.who(&scene), "mallory");
    assert_eq!(first.who(&scene), "nobody");
}

#[test]
fn what_is_no_route_is_the_applications() {
    let scene = Scene::with(|builder| builder.sign_in_path("/login"));
    for target in [
        "/sign-in",
        "/callback/",
        "/CALLBACK",
        "/a/callback",
        "//callback",
        "/%63allback",
    ] {
        let request = Request::get(target).body(Vec::new()).unwrap();
        assert!(scene.auth.handle(&request).is_none(), "{target}");
    }
    let sent = Visitor::default().get(&scene, "/account");
    assert_eq!(location(&sent), "/login?return_to=%2Faccount");
}

#[test]
fn a_route_takes_one_method_and_names_it() {
    let scene = Scene::new();
    let methods = [
        Method::GET,
        Method::POST,
        Method::HEAD,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
    ];
    for (path, allowed) in [
        ("/sign-in", "GET"),
        ("/sign-up", "GET"),
        ("/callback?code=c&state=s", "GET"),
        ("/sign-out", "POST"),
        ("/user", "GET"),
    ] {
        for method in methods.iter().filter(|method| *method != allowed) {
            let mut visitor = Visitor::default();
            let answer = visitor.send(&scene, method.clone(), path, &[]);
            assert_eq!(answer.status(), 405, "{method} {path}");
            assert_eq!(answer.headers()["allow"], allowed, "{method} {path}");
            assert!(visitor.jar.is_empty(), "{method} {path}");
        }
    }
    assert!(scene.fake.requests().is_empty());
}

#[test]
fn the_cookie_says_that_it_is_for_this_host_over_https_and_for_no_script() {
    let scene = Scene::new();
    let started = Visitor::default().get(&scene, "/sign-in");
    let cookie = started.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with(&format!("{COOKIE}=")), "{cookie}");
    let (_, attributes) = cookie.split_once(';').unwrap();
    assert_eq!(
        attributes,
        " HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000"
    );
}

#[test]
fn an_application_shows_problems_in_its_own_way() {
    let scene = Scene::with(|builder| {
        builder.problem_page(|problem| {
            let text = format!("{:?} {}", problem.kind, problem.status.as_u16());
            http::Response::builder()
                .status(problem.status)
                .body(text.into_bytes())
                .unwrap()
        })
    });
    let answer = Visitor::default().get(&scene, "/callback");
    assert_eq!(
        (answer.status().as_u16(), text(&answer).as_str()),
        (400, "Callback 400")
    );
    assert_eq!(answer.headers()["cache-control"], "no-store");
}
