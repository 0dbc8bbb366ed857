//! Who is let in, and what the others are told.

use http::Method;

use crate::scene::{Scene, Visitor, location, sign_in_to, text};

const OTHERS: [(&str, &str); 5] = [
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-site", "same-site"),
    ("origin", "https://evil.example"),
    ("origin", "http://app.example.com"),
    ("origin", "null"),
];

#[test]
fn a_page_sends_a_stranger_to_sign_in_and_an_api_says_401() {
    let scene = Scene::new();
    let mut visitor = Visitor::default();
    for method in [Method::GET, Method::HEAD] {
        let answer = visitor.send(&scene, method, "/orders?page=2", &[]);
        assert_eq!(location(&answer), sign_in_to("/orders?page=2"));
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }
    let answer = visitor.get(&scene, "/api/items");
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(text(&answer), r#"{"error":"unauthenticated"}"#);
}

#[test]
fn what_a_page_fetches_starts_no_sign_in() {
    let scene = Scene::new();
    for mode in ["no-cors", "cors", "same-origin", "websocket", ""] {
        let mut visitor = Visitor::default();
        let fetched = [("sec-fetch-mode", mode)];
        let answer = visitor.send(&scene, Method::GET, "/favicon.ico", &fetched);
        assert_eq!(answer.status(), 401, "{mode}");
        let mut alice = scene.signed_in("alice");
        let answer = alice.send(&scene, Method::GET, "/favicon.ico", &fetched);
        assert_eq!(text(&answer), "alice", "{mode}");
    }
    let followed = [("sec-fetch-mode", "navigate")];
    let answer = Visitor::default().send(&scene, Method::GET, "/orders", &followed);
    assert_eq!(location(&answer), sign_in_to("/orders"));
}

#[test]
fn a_form_of_a_stranger_is_not_repeated_after_the_sign_in() {
    let scene = Scene::new();
    let answer = Visitor::default().send(&scene, Method::POST, "/orders", &[]);
    assert_eq!(location(&answer), "/sign-in");
}

#[test]
fn another_sites_page_changes_nothing_in_a_users_name() {
    let scene = Scene::new();
    let mut visitor = scene.signed_in("alice");
    for header in OTHERS {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = visitor.send(&scene, method.clone(), "/orders", &[header]);
            assert_eq!(answer.status(), 403, "{method} {header:?}");
            let answer = visitor.send(&scene, method.clone(), "/api/items", &[header]);
            assert_eq!(answer.status(), 403, "{method} {header:?}");
            assert_eq!(text(&answer), r#"{"error":"cross_origin"}"#);
        }
        // A link on another site's page is followed as any other.
        let answer = visitor.send(&scene, Method::GET, "/orders", &[header]);
        assert_eq!(text(&answer), "alice");
    }
}

#[test]
fn a_users_own_page_changes_what_it_likes() {
    let scene = Scene::new();
    let mut visitor = scene.signed_in("alice");
    let own = [
        ("sec-fetch-site", "same-origin"),
        ("origin", "https://app.example.com"),
    ];
    for headers in [&own[..1], &own[1..], &own] {
        for target in ["/orders", "/api/items"] {
            let answer = visitor.send(&scene, Method::POST, target, headers);
            assert_eq!(text(&answer), "alice", "{target} {headers:?}");
        }
    }
}

#[test]
fn a_page_whose_path_is_another_host_is_not_returned_to() {
    let scene = Scene::new();
    let answer = Visitor::default().get(&scene, "//evil.example/account");
    assert_eq!(location(&answer), "/sign-in");
}
