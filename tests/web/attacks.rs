//! What attackers try.

use http::{HeaderMap, Method, Request, header};
use logto_testing::Endpoint;
use url::Url;

use crate::scene::{BASE_URL, COOKIE, Scene, Visitor, location, parameter, sign_in_to, text};

/// Each decodes to somewhere else, or might for some browser, proxy or framework.
const ELSEWHERE: [&str; 41] = [
    "https://evil.example",
    "http://evil.example/",
    "HTTPS://evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https:\\\\evil.example",
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "//evil.example/%2e%2e",
    "//app.example.com@evil.example",
    "//evil.example\\@app.example.com",
    "\\\\evil.example",
    "\\/evil.example",
    "/\\evil.example",
    "/\\/evil.example",
    "/\t/evil.example",
    "\t//evil.example",
    "/\n/evil.example",
    "/\r/evil.example",
    " //evil.example",
    "/ /evil.example",
    "\u{a0}//evil.example",
    "\u{0}//evil.example",
    "/\u{0}/evil.example",
    "\u{2f}\u{2f}evil.example",
    "\u{ff0f}\u{ff0f}evil.example",
    "https://app.example.com@evil.example/",
    "https://app.example.com:x@evil.example/",
    "https://app.example.com.evil.example/",
    // These end up here, and are not what an application would ask for.
    "https://app.example.com/orders",
    "//app.example.com/orders",
    "/\\app.example.com/orders",
    "/orders\\..\\..",
    "http://app.example.com/orders",
    "https://app.example.com:8443/",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "evil.example",
    "@evil.example",
];

/// These look odd, and stay here.
const HERE: [&str; 9] = [
    "/%2Fevil.example",
    "/%5Cevil.example",
    "/%09/evil.example",
    "/..//evil.example",
    "/.//evil.example",
    "/@evil.example",
    "/:@evil.example",
    "/?next=//evil.example",
    "/#//evil.example",
];

#[test]
fn no_return_leads_to_another_site() {
    let scene = Scene::new();
    for target in ELSEWHERE {
        let mut visitor = Visitor::default();
        let landed = visitor.sign_in(&scene, "alice", &sign_in_to(target));
        assert_eq!(location(&landed), "/", "{target:?}");
    }
    let base = Url::parse(BASE_URL).unwrap();
    for target in HERE {
        let landed = Visitor::default().sign_in(&scene, "alice", &sign_in_to(target));
        assert_eq!(location(&landed), target);
        assert_eq!(base.join(target).unwrap().origin(), base.origin());
    }
}

#[test]
fn a_return_that_was_encoded_twice_is_not_decoded_twice() {
    let scene = Scene::new();
    for target in [
        "%2F%2Fevil.example",
        "%252F%252Fevil.example",
        "%68ttps:%2F%2Fevil.example",
    ] {
        let landed = Visitor::default().sign_in(&scene, "alice", &sign_in_to(target));
        assert_eq!(location(&landed), "/", "{target}");
    }
}

#[test]
fn of_two_returns_the_first_counts_and_is_checked() {
    let scene = Scene::new();
    for query in [
        "return_to=//evil.example&return_to=/orders",
        "return_to[]=/orders",
        "return_to",
        "return_to=",
        "return_to=%FF%FE",
        "x=1;return_to=//evil.example",
    ] {
        let landed = Visitor::default().sign_in(&scene, "alice", &format!("/sign-in?{query}"));
        assert_eq!(location(&landed), "/", "{query}");
    }
}

#[test]
fn no_return_leads_to_a_route_and_round_in_circles() {
    let scene = Scene::new();
    for target in [
        "/sign-in",
        "/sign-in?return_to=/sign-in",
        "/sign-up#a",
        "/callback?code=c&state=s",
        "/./sign-in",
        "/x/../sign-out",
        "/%2e/callback?code=c&state=s",
        "/x/.%2E/user#a",
        "/sign-out",
        "/user",
    ] {
        let landed = Visitor::default().sign_in(&scene, "alice", &sign_in_to(target));
        assert_eq!(location(&landed), "/", "{target}");
    }
}

#[test]
fn no_header_is_injected() {
    let scene = Scene::new();
    for target in [
        "/a\r\nSet-Cookie: a=b",
        "/a\nSet-Cookie: a=b",
        "/a%0d%0aSet-Cookie:%20a=b",
        "/\u{10d}\u{10a}X: y",
    ] {
        let mut visitor = Visitor::default();
        let started = visitor.get(&scene, &sign_in_to(target));
        assert_eq!(started.headers().get_all("set-cookie").iter().count(), 1);
        let callback = scene.at_logto("alice", location(&started));
        let landed = visitor.get(&scene, &callback);
        assert_eq!(landed.headers().get_all("set-cookie").iter().count(), 1);
        let location = location(&landed);
        assert!(!location.contains(['\r', '\n']), "{location:?}");
    }
}

#[test]
fn a_huge_query_is_answered_and_not_kept() {
    let scene = Scene::new();
    let mut visitor = Visitor::default();
    let long = format!("/{}", "a".repeat(50_000));
    let landed = visitor.sign_in(&scene, "alice", &sign_in_to(&long));
    assert_eq!(location(&landed), "/");
    let answer = visitor.get(
        &scene,
        &format!("/callback?code=c&state={}", "s".repeat(50_000)),
    );
    assert_eq!(answer.status(), 400);
    assert!(answer.body().len() < 5_000);

    let sent = Visitor::default().get(&scene, &long);
    assert_eq!(location(&sent), "/sign-in");
    let many = format!("/sign-in?{}", "a=b&".repeat(15_000));
    assert_eq!(Visitor::default().get(&scene, &many).status(), 303);
}

#[test]
fn a_session_id_that_was_planted_before_the_sign_in_is_worthless_after_it() {
    let scene = Scene::new();
    let mut attacker = Visitor::default();
    attacker.get(&scene, "/sign-in");
    let mut victim = Visitor::default();
    victim.plant(attacker.session_id().unwrap());
    victim.sign_in(&scene, "alice", "/sign-in");
    assert_eq!(victim.who(&scene), "alice");
    assert_eq!(attacker.who(&scene), "nobody");
    assert_ne!(victim.session_id(), attacker.session_id());
    // Nor does the session come back, or what the attacker had under way in it.
    attacker.get(&scene, "/sign-in");
    assert_eq!(attacker.who(&scene), "nobody");
    assert_eq!(victim.who(&scene), "alice");
}

#[test]
fn an_id_that_the_attacker_made_up_is_not_the_users_id_after_the_sign_in() {
    let scene = Scene::new();
    let made_up = "A".repeat(43);
    let mut victim = Visitor::default();
    victim.plant(&made_up);
    victim.sign_in(&scene, "alice", "/sign-in");
    assert_ne!(victim.session_id(), Some(made_up.as_str()));
    let mut attacker = Visitor::default();
    attacker.plant(&made_up);
    assert_eq!(attacker.who(&scene), "nobody");
}

#[test]
fn an_attackers_callback_signs_no_victim_in() {
    let scene = Scene::new();
    let mut attacker = Visitor::default();
    let started = attacker.get(&scene, "/sign-in");
    let callback = scene.at_logto("mallory", location(&started));
    scene.fake.clear_requests();

    let mut with_a_sign_in_of_their_own = Visitor::default();
    with_a_sign_in_of_their_own.get(&scene, "/sign-in");
    for mut victim in [
        Visitor::default(),
        with_a_sign_in_of_their_own,
        scene.signed_in("alice"),
    ] {
        let before = victim.clone();
        scene.fake.clear_requests();
        let page = victim.get(&scene, &callback);
        assert_eq!(page.status(), 400);
        assert_eq!(victim.jar, before.jar);
        assert_eq!(victim.who(&scene), before.who(&scene));
        assert!(scene.asked().is_empty(), "the code is not sent");
    }
    attacker.get(&scene, &callback);
    assert_eq!(attacker.who(&scene), "mallory");
}

#[test]
fn a_callback_with_another_sign_ins_state_keeps_both() {
    let scene = Scene::new();
    let (mut alice, mut mallory) = (Visitor::default(), Visitor::default());
    let alices = alice.get(&scene, "/sign-in");
    let mallorys = mallory.get(&scene, "/sign-in");
    let code_of = |callback: &str| {
        let url = Url::parse(BASE_URL).unwrap().join(callback).unwrap();
        url.query_pairs()
            .find(|(name, _)| name == "code")
            .unwrap()
            .1
            .into_owned()
    };
    let stolen = code_of(&scene.at_logto("mallory", location(&mallorys)));
    // Mallory's code in the place of Alice's: the server refuses it, for the verifier is another.
    let state = parameter(&alices, "state").unwrap();
    let issuer = scene.fake.issuer();
    let page = alice.get(
        &scene,
        &format!("/callback?code={stolen}&state={state}&iss={issuer}"),
    );
    assert_eq!(page.status(), 400);
    assert_eq!(alice.who(&scene), "nobody");
}

#[test]
fn a_callback_without_a_cookie_says_what_may_be_wrong() {
    let scene = Scene::new();
    let started = Visitor::default().get(&scene, "/sign-in");
    let callback = scene.at_logto("alice", location(&started));
    let page = Visitor::default().get(&scene, &callback);
    assert_eq!(page.status(), 400);
    for said in ["localhost", "127.0.0.1", BASE_URL, "href=\"/sign-in\""] {
        assert!(text(&page).contains(said), "{}", text(&page));
    }
    assert!(!page.headers().contains_key("set-cookie"));
    assert!(scene.fake.requests_to(Endpoint::Token).is_empty());
}

#[test]
fn a_callback_of_a_session_that_was_signed_out_is_refused() {
    let scene = Scene::new();
    let mut visitor = Visitor::default();
    let started = visitor.get(&scene, "/sign-in");
    let callback = scene.at_logto("alice", location(&started));
    let before = visitor.clone();
    visitor.sign_out(&scene);
    for mut visitor in [visitor, before] {
        assert_eq!(visitor.get(&scene, &callback).status(), 400);
        assert_eq!(visitor.who(&scene), "nobody");
    }
}

#[test]
fn odd_callbacks_are_refused_and_harm_nobody() {
    let scene = Scene::new();
    let mut visitor = scene.signed_in("alice");
    let started = visitor.get(&scene, "/sign-in");
    let state = parameter(&started, "state").unwrap();
    for query in [
        String::new(),
        "?".to_owned(),
        "?code=c".to_owned(),
        format!("?state={state}x&code=c"),
        format!("?code=c&code=d&state={state}"),
        format!("?code=c&state={state}&state=x"),
        "?error=%3Cb%3E&error_description=%3Cscript%3E".to_owned(),
        "?code=c&state=%00%FF".to_owned(),
    ] {
        let page = visitor.get(&scene, &format!("/callback{query}"));
        assert_eq!(page.status(), 400, "{query}");
        assert!(!text(&page).contains("<b>") && !text(&page).contains("<script>"));
        let policy = page.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert_eq!(visitor.who(&scene), "alice", "{query}");
    }
    let callback = scene.at_logto("alice", location(&started));
    assert_eq!(
        visitor.get(&scene, &callback).status(),
        303,
        "the sign-in was kept"
    );
}

#[test]
fn what_a_proxy_or_a_client_says_of_the_host_is_not_believed() {
    let scene = Scene::new();
    let lies = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-port", "8080"),
        ("x-forwarded-prefix", "//evil.example"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-original-url", "/sign-out"),
        ("x-rewrite-url", "/sign-out"),
        ("forwarded", "host=evil.example;proto=http"),
    ];
    let mut visitor = Visitor::default();
    for target in ["/sign-in", "http://evil.example/sign-in"] {
        let started = visitor.send(&scene, Method::GET, target, &lies);
        let redirect_uri = parameter(&started, "redirect_uri");
        assert_eq!(
            redirect_uri.as_deref(),
            Some("https://app.example.com/callback")
        );
        let cookie = started.headers()["set-cookie"].to_str().unwrap();
        assert!(
            cookie.starts_with(COOKIE) && cookie.contains("; Secure"),
            "{cookie}"
        );
    }
    let sent = visitor.send(&scene, Method::GET, "/account", &lies);
    assert_eq!(location(&sent), "/sign-in?return_to=%2Faccount");

    let mut visitor = scene.signed_in("alice");
    let answer = visitor.send(&scene, Method::POST, "/sign-out", &lies);
    let back = parameter(&answer, "post_logout_redirect_uri");
    assert_eq!(back.as_deref(), Some("https://app.example.com/"));
}

#[test]
fn another_site_signs_nobody_out() {
    let scene = Scene::new();
    let mut visitor = scene.signed_in("alice");
    let lists: [&[(&str, &str)]; 8] = [
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "")],
        &[
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "cross-site"),
        ],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "https://app.example.com, https://evil.example")],
        &[("host", "evil.example"), ("origin", "https://evil.example")],
    ];
    for headers in lists {
        let page = visitor.send(&scene, Method::POST, "/sign-out", headers);
        assert_eq!(page.status(), 403, "{headers:?}");
        assert_eq!(visitor.who(&scene), "alice", "{headers:?}");
    }
    for method in [Method::GET, Method::HEAD] {
        let page = visitor.send(&scene, method, "/sign-out", &[]);
        assert_eq!(page.status(), 405);
    }
    assert_eq!(visitor.who(&scene), "alice");
    assert!(scene.fake.requests_to(Endpoint::Revocation).is_empty());
}

#[test]
fn a_cookie_that_is_forged_doubled_or_of_another_name_signs_nobody_in() {
    let scene = Scene::new();
    let visitor = scene.signed_in("alice");
    let id = visitor.session_id().unwrap();
    let forged = "A".repeat(43);
    let flipped = format!(
        "{}{}",
        if id.starts_with('B') { 'C' } else { 'B' },
        &id[1..]
    );
    for line in [
        format!("{COOKIE}={forged}"),
        format!("{COOKIE}={flipped}"),
        format!("{COOKIE}={id}="),
        format!("{COOKIE}={}", &id[..42]),
        format!("{COOKIE}=default"),
        format!("{COOKIE}=../../{id}"),
        format!("{COOKIE}={}", "A".repeat(5_000)),
        format!("{COOKIE}={id}; {COOKIE}={forged}"),
        format!("{COOKIE}={forged}; {COOKIE}={id}"),
        // What a page of the domain over http, or another subdomain, can set.
        format!("logto={id}"),
        format!("__Secure-logto={id}"),
        format!("__host-logto={id}"),
        format!(" {COOKIE}\u{9}={id}"),
    ] {
        let answer = scene.answer(&with_cookie("/", &line));
        assert_eq!(text(&answer), "nobody", "{line}");
        let answer = scene.answer(&with_cookie("/api/items", &line));
        assert_eq!(answer.status(), 401, "{line}");
    }
    for line in [
        format!("{COOKIE}={id}"),
        format!("logto={forged}; {COOKIE}={id}"),
    ] {
        assert_eq!(text(&scene.answer(&with_cookie("/", &line))), "alice");
    }
}

#[test]
fn a_cookie_that_is_sent_twice_over_two_headers_is_none() {
    let scene = Scene::new();
    let visitor = scene.signed_in("alice");
    let mut request = with_cookie("/", &format!("{COOKIE}={}", "A".repeat(43)));
    let ours = format!("{COOKIE}={}", visitor.session_id().unwrap());
    request
        .headers_mut()
        .append(header::COOKIE, ours.parse().unwrap());
    assert_eq!(text(&scene.answer(&request)), "nobody");
}

#[test]
fn nothing_that_is_logged_or_shown_has_the_id_or_the_secret() {
    let scene = Scene::new();
    let visitor = scene.signed_in("alice");
    let id = visitor.session_id().unwrap();
    let user = scene
        .auth
        .user(&with_cookie("/", &format!("{COOKIE}={id}")))
        .unwrap();
    let answer = visitor.clone().get(&scene, "/sign-in");
    let shown = format!("{:?} {user:?} {:?}", scene.auth, answer.headers());
    assert!(!shown.contains(id), "{shown}");
    assert!(!shown.contains(scene.fake.app_secret()), "{shown}");
    let token = user.unwrap().client().id_token().unwrap().unwrap();
    assert!(!shown.contains(&token), "{shown}");
}

fn with_cookie(target: &str, line: &str) -> Request<Vec<u8>> {
    let mut headers = HeaderMap::new();
    headers.insert(header::COOKIE, line.parse().unwrap());
    let mut request = Request::get(target).body(Vec::new()).unwrap();
    *request.headers_mut() = headers;
    request
}
