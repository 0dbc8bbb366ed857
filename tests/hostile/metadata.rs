//! What the server says of itself.
//!
//! Refused, it changes nothing and is asked for again. Accepted, it is of the right issuer, and every
//! request and every URL for the browser goes where nobody on the way can read it.

use logto::LogtoError;
use serde_json::Value;
use url::{Host, Url};

use super::choices::Choices;
use super::document::changed;
use super::place::{
    ISSUER, METADATA, Place, REDIRECT_URI, SignedIn, callback, metadata, token_response,
};
use super::planted::{self, MARK};
use super::server::{Answer, Asked};

pub fn try_bytes(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let body = match choices.below(12) {
        11 => choices.rest(),
        10 => RIGHT.with(|metadata| {
            let mut metadata = metadata.clone();
            let name = choices.pick(&ENDPOINTS);
            metadata[name] = changed_url(&mut choices).into();
            metadata.to_string().into_bytes()
        }),
        _ => RIGHT.with(|metadata| changed(metadata, &mut choices).into_bytes()),
    };
    let mut choices = Choices::new(bytes.get(1..).unwrap_or_default());
    let answer = match choices.one_in(4) {
        true => Answer::around(body, &mut choices),
        false => Answer::json(body),
    };
    try_answer(answer);
}

const ENDPOINTS: [&str; 6] = [
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "revocation_endpoint",
    "end_session_endpoint",
];

thread_local! {
    static RIGHT: Value = metadata();
    static USER: SignedIn = SignedIn::new();
    static TOKENS: Answer = USER.with(tokens);
}

fn try_answer(answer: Answer) {
    // A server that has the word from elsewhere is not what is looked for.
    if planted::is_marked(&answer.body) {
        return;
    }
    let place = Place::new();
    let is_readable = answer.is_readable();
    let is_right = is_readable && answer.body == METADATA.as_bytes();
    place.server.answer(Asked::Metadata, answer);
    USER.with(|user| place.store(&user.values()));
    place
        .server
        .answer(Asked::Tokens, TOKENS.with(Answer::clone));
    let before = place.stored();
    match place.client.sign_in(REDIRECT_URI) {
        Ok(url) => {
            assert!(is_readable);
            assert_eq!(place.logto.oidc_core().unwrap().metadata().issuer, ISSUER);
            assert_is_for_the_browser(&url);
            try_accepted(&place);
        }
        Err(error) => {
            assert!(!is_right, "{error}");
            planted::assert_silent(&error, &[]);
            assert_eq!(place.server.take_sent().len(), 1);
            place.assert_stored(&before, &[]);
            try_refused(&place);
        }
    }
    place.assert_sent_securely();
    planted::assert_silent_log(&[]);
}

fn tokens(user: &SignedIn) -> Answer {
    Answer::json(token_response(&user.id_token).to_string())
}

/// Everything that asks the server.
fn try_accepted(place: &Place) {
    assert_silent(place.client.handle_sign_in_callback(&callback()));
    assert_silent(place.client.fetch_user_info());
    assert_silent(place.client.access_token(None));
    match place.client.sign_out(REDIRECT_URI) {
        Ok(sign_out) => assert_is_for_the_browser(&sign_out.url),
        Err(error) => planted::assert_silent(&error, &[]),
    }
}

/// Nothing is sent but the question, and the next answer counts.
fn try_refused(place: &Place) {
    let before = place.stored();
    assert!(place.client.handle_sign_in_callback(&callback()).is_err());
    assert!(place.client.sign_out(REDIRECT_URI).is_err());
    place.assert_stored(&before, &[]);
    let sent = place.server.take_sent();
    assert!(sent.iter().all(|sent| sent.asked == Asked::Metadata));

    let metadata = Answer::json(METADATA.as_str());
    place.server.answer(Asked::Metadata, metadata);
    place.client.sign_in(REDIRECT_URI).unwrap();
}

/// A request that cannot even be made shows metadata that should have been refused.
fn assert_silent<T>(result: Result<T, LogtoError>) {
    if let Err(error) = result {
        assert!(!matches!(error, LogtoError::Http(_)), "{error:?}");
        planted::assert_silent(&error, &[]);
    }
}

fn assert_is_for_the_browser(url: &str) {
    let url = Url::parse(url).unwrap();
    assert!(is_secure(&url), "{url}");
    assert!(url.username().is_empty() || !url.as_str().contains(MARK));
}

fn is_secure(url: &Url) -> bool {
    url.scheme() == "https"
        || match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
}

impl Place {
    /// An HTTP client may read the URL otherwise than the check did: both must mean one host.
    fn assert_sent_securely(&self) {
        for sent in self.server.take_sent() {
            let url = Url::parse(&sent.url).unwrap();
            assert!(is_secure(&url), "{url}");
            let uri: http::Uri = sent.url.parse().unwrap();
            let host = uri.host().unwrap();
            let same = Url::parse(&format!("http://{host}/")).unwrap();
            assert_eq!(same.host(), url.host(), "{}", sent.url);
        }
    }
}

/// An address that readers of addresses differ on.
fn changed_url(choices: &mut Choices<'_>) -> String {
    let scheme = choices.pick(&[
        "https:", "http:", "HTTPS:", "HTTP:", "ht\ttp:", "ws:", "file:", "",
    ]);
    let slashes = choices.pick(&["//", "//", "//", "/", "\\\\", "///", ""]);
    let user = choices.pick(&[
        "",
        "",
        "",
        "u@",
        "u:p@",
        "127.0.0.1@",
        "127.0.0.1\\@",
        "127.0.0.1#@",
        "a@b@",
    ]);
    let host = match choices.one_in(8) {
        true => choices.text(),
        false => choices
            .pick(&[
                "logto.example",
                "localhost",
                "127.0.0.1",
                "127.1",
                "0x7f.1",
                "2130706433",
                "[::1]",
                "[::ffff:127.0.0.1]",
                "a.localhost",
                "localhost.",
                "LOCALHOST",
                "evil.example",
                "\u{ff4c}ocalhost",
                "127.0.0.1.evil.example",
                "%6cocalhost",
                "",
            ])
            .to_owned(),
    };
    let port = choices.pick(&["", "", ":1", ":443", ":0", ":99999", ":", ":a"]);
    let rest = match choices.one_in(4) {
        true => choices.text(),
        false => choices
            .pick(&[
                "/",
                "",
                "/oidc?a=b",
                "/../x",
                "?x",
                "#x",
                "/\\",
                "/ ",
                "/\n",
                "/\u{e9}",
            ])
            .to_owned(),
    };
    format!("{scheme}{slashes}{user}{host}{port}{rest}")
}
