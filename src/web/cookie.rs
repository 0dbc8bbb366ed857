//! The session cookie.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::storage::SessionId;

/// The longest that browsers keep a cookie, in seconds. The store's idle lifetime ends the session.
const LIFETIME: u32 = 400 * 24 * 60 * 60;

/// How the session's id is kept in the browser.
#[derive(Debug)]
pub(super) struct SessionCookie {
    name: String,
    is_secure: bool,
}

impl SessionCookie {
    /// Browsers take the prefix `__Host-` only from this host over https.
    pub fn new(name: &str, is_https: bool) -> Self {
        let prefix = if is_https { "__Host-" } else { "" };
        Self {
            name: format!("{prefix}{name}"),
            is_secure: is_https,
        }
    }

    /// The session of this browser; `None` if it has none, or sends something else in its place. Two of
    /// them are none: one of them was planted, and nobody can say which.
    pub fn read(&self, headers: &HeaderMap) -> Option<SessionId> {
        let mut found = None;
        for header in headers.get_all(COOKIE) {
            // As bytes: what other cookies of this host hold, such as UTF-8, is no reason to lose ours.
            for pair in header.as_bytes().split(|byte| *byte == b';') {
                let Some(value) = self.value(pair.trim_ascii()) else {
                    continue;
                };
                let id = SessionId::parse(str::from_utf8(value).ok()?).ok()?;
                if found.replace(id.clone()).is_some_and(|other| other != id) {
                    return None;
                }
            }
        }
        found
    }

    fn value<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        pair.strip_prefix(self.name.as_bytes())?.strip_prefix(b"=")
    }

    pub fn keep(&self, id: &SessionId) -> HeaderValue {
        self.header(id.expose(), LIFETIME)
    }

    pub fn forget(&self) -> HeaderValue {
        self.header("", 0)
    }

    /// `HttpOnly`: no script reads it. `SameSite=Lax`: other sites' forms do not send it, while the
    /// redirect back from Logto does.
    fn header(&self, value: &str, max_age: u32) -> HeaderValue {
        let (name, secure) = (&self.name, if self.is_secure { "; Secure" } else { "" });
        let cookie =
            format!("{name}={value}; HttpOnly; SameSite=Lax{secure}; Path=/; Max-Age={max_age}");
        let mut header = HeaderValue::try_from(cookie).expect("letters, digits and attributes");
        header.set_sensitive(true);
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cookie: &SessionCookie, lines: &[&str]) -> Option<SessionId> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, line.parse().unwrap());
        }
        cookie.read(&headers)
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let cookie = SessionCookie::new("logto", false);
        let id = SessionId::random();
        let ours = format!("logto={}", id.expose());
        for lines in [
            vec![ours.clone()],
            vec![format!("a=1; {ours}; b=\"2\"")],
            vec!["a=1".to_owned(), ours.clone()],
            vec![format!("{ours}; {ours}")],
        ] {
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            assert_eq!(read(&cookie, &lines), Some(id.clone()), "{lines:?}");
        }
    }

    #[test]
    fn what_other_applications_of_the_host_keep_harms_no_session() {
        let cookie = SessionCookie::new("logto", false);
        let id = SessionId::random();
        let line = [
            b"who=Jos\xc3\xa9; =; x; logto2=1; logto=",
            id.expose().as_bytes(),
        ]
        .concat();
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_bytes(&line).unwrap());
        assert_eq!(cookie.read(&headers), Some(id));
    }

    #[test]
    fn what_was_not_set_by_us_is_no_session() {
        let cookie = SessionCookie::new("logto", true);
        let (id, other) = (SessionId::random(), SessionId::random());
        let (id, other) = (id.expose(), other.expose());
        for line in [
            String::new(),
            "__Host-logto=".to_owned(),
            "__Host-logto=default".to_owned(),
            format!("logto={id}"),
            format!("__host-logto={id}"),
            format!("__Host-logto={id}x"),
            format!("__Host-logto=\"{id}\""),
            format!("__Host-logto ={id}"),
            format!("__Host-logto={id}; __Host-logto={other}"),
        ] {
            assert_eq!(read(&cookie, &[&line]), None, "{line}");
        }
    }

    #[test]
    fn the_cookie_is_for_this_host_and_no_script() {
        let id = SessionId::random();
        let header = SessionCookie::new("logto", true).keep(&id);
        let expected = format!(
            "__Host-logto={}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000",
            id.expose()
        );
        assert_eq!(header.to_str().unwrap(), expected);
        let header = SessionCookie::new("logto", false).forget();
        assert_eq!(
            header.to_str().unwrap(),
            "logto=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0"
        );
    }
}
