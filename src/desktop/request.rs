//! What comes over a connection, held against what is waited for.

use logto_core::Secret;
use url::form_urlencoded;

/// The most that is read of a request.
pub(super) const LONGEST_HEAD: usize = 16 * 1024;

const MOST_HEADERS: usize = 100;

/// The request that is waited for.
pub(super) struct Expected {
    /// The `Host` header: the literal address with the port. A page of another site that has its name
    /// resolved to this machine comes with its own name there.
    pub host: String,
    pub path: String,
    pub state: Secret,
}

/// What has come so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Not all of it yet.
    Incomplete,
    /// Nothing that is answered with a page, with the HTTP status.
    Refused(&'static str),
    /// The right place, and another sign-in's state, or none.
    Stranger,
    /// What is waited for, with its query.
    Expected(String),
}

impl Expected {
    /// Reads what has come so far.
    pub fn read(&self, bytes: &[u8]) -> Reading {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(_)) => self.judge(&request),
            Ok(httparse::Status::Partial) if bytes.len() >= LONGEST_HEAD => {
                Reading::Refused("431 Request Header Fields Too Large")
            }
            Ok(httparse::Status::Partial) => Reading::Incomplete,
            Err(httparse::Error::TooManyHeaders) => {
                Reading::Refused("431 Request Header Fields Too Large")
            }
            Err(_) => Reading::Refused("400 Bad Request"),
        }
    }

    fn judge(&self, request: &httparse::Request<'_, '_>) -> Reading {
        let mut hosts = request
            .headers
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case("host"));
        match (hosts.next(), hosts.next()) {
            (Some(host), None) if self.is_our_host(host.value) => {}
            (Some(_), None) => return Reading::Refused("421 Misdirected Request"),
            _ => return Reading::Refused("400 Bad Request"),
        }
        // HEAD too: what only looks must not use up the code.
        if request.method != Some("GET") {
            return Reading::Refused("405 Method Not Allowed");
        }
        let target = request.path.unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if path != self.path {
            return Reading::Refused("404 Not Found");
        }
        match self.is_ours(query) {
            true => Reading::Expected(query.to_owned()),
            false => Reading::Stranger,
        }
    }

    /// Browsers leave out the port that is HTTP's own.
    fn is_our_host(&self, host: &[u8]) -> bool {
        let short = self.host.strip_suffix(":80");
        host == self.host.as_bytes() || short.is_some_and(|short| host == short.as_bytes())
    }

    fn is_ours(&self, query: &str) -> bool {
        form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "state")
            .is_some_and(|(_, state)| Secret::from(state.as_ref()) == self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(request: &str) -> Reading {
        let expected = Expected {
            host: "127.0.0.1:4711".to_owned(),
            path: "/callback".to_owned(),
            state: "the-state".into(),
        };
        expected.read(request.as_bytes())
    }

    fn get(target: &str) -> Reading {
        read(&format!(
            "GET {target} HTTP/1.1\r\nHost: 127.0.0.1:4711\r\nAccept: */*\r\n\r\n"
        ))
    }

    #[test]
    fn what_is_waited_for_is_told_by_its_state() {
        assert_eq!(
            get("/callback?code=c&state=the-state"),
            Reading::Expected("code=c&state=the-state".to_owned())
        );
        assert_eq!(
            get("/callback?state=the%2Dstate"),
            Reading::Expected("state=the%2Dstate".to_owned())
        );
        for target in [
            "/callback",
            "/callback?",
            "/callback?code=c",
            "/callback?code=c&state=",
            "/callback?code=c&state=the-stat",
            "/callback?code=c&state=the-statf",
            "/callback?code=c&state=other&state=the-state",
            "/callback?code=c&State=the-state",
        ] {
            assert_eq!(get(target), Reading::Stranger, "{target}");
        }
    }

    #[test]
    fn another_path_is_not_found() {
        for target in [
            "/",
            "/favicon.ico",
            "/callback/?state=the-state",
            "/Callback?state=the-state",
            "//callback?state=the-state",
            "/callback/../callback?state=the-state",
            "http://127.0.0.1:4711/callback?state=the-state",
            "*",
        ] {
            assert_eq!(get(target), Reading::Refused("404 Not Found"), "{target}");
        }
    }

    #[test]
    fn another_host_is_refused() {
        let with = |headers: &str| {
            read(&format!(
                "GET /callback?state=the-state HTTP/1.1\r\n{headers}\r\n"
            ))
        };
        for host in [
            "evil.example:4711",
            "evil.example",
            "localhost:4711",
            "127.0.0.1",
            "127.0.0.1:4712",
            "127.0.0.1:4711.evil.example",
            "",
        ] {
            let reading = with(&format!("Host: {host}\r\n"));
            assert_eq!(
                reading,
                Reading::Refused("421 Misdirected Request"),
                "{host}"
            );
        }
        assert_eq!(with(""), Reading::Refused("400 Bad Request"));
        let twice = "Host: 127.0.0.1:4711\r\nHost: evil.example\r\n";
        assert_eq!(with(twice), Reading::Refused("400 Bad Request"));
        assert!(matches!(
            with("hOST: 127.0.0.1:4711\r\n"),
            Reading::Expected(_)
        ));
    }

    #[test]
    fn browsers_leave_out_port_80() {
        let is_ours = |ours: &str, host: &str| {
            let expected = Expected {
                host: ours.to_owned(),
                path: "/callback".to_owned(),
                state: "the-state".into(),
            };
            expected.is_our_host(host.as_bytes())
        };
        for ours in ["127.0.0.1", "[::1]"] {
            assert!(is_ours(&format!("{ours}:80"), ours));
            assert!(is_ours(&format!("{ours}:80"), &format!("{ours}:80")));
            assert!(!is_ours(&format!("{ours}:80"), &format!("{ours}:81")));
            assert!(!is_ours(&format!("{ours}:8080"), ours));
        }
        assert!(!is_ours("127.0.0.1:80", "evil.example"));
    }

    #[test]
    fn another_method_is_refused() {
        for method in ["POST", "HEAD", "PUT", "OPTIONS", "get"] {
            let request = format!(
                "{method} /callback?state=the-state HTTP/1.1\r\nHost: 127.0.0.1:4711\r\n\r\n"
            );
            assert_eq!(
                read(&request),
                Reading::Refused("405 Method Not Allowed"),
                "{method}"
            );
        }
    }

    #[test]
    fn a_request_ends_somewhere() {
        assert_eq!(read(""), Reading::Incomplete);
        assert_eq!(read("GET /callback?sta"), Reading::Incomplete);
        let endless = format!("GET /{}", "x".repeat(LONGEST_HEAD));
        assert_eq!(
            read(&endless),
            Reading::Refused("431 Request Header Fields Too Large")
        );
        let many = "x: y\r\n".repeat(MOST_HEADERS + 1);
        assert_eq!(
            read(&format!("GET / HTTP/1.1\r\n{many}\r\n")),
            Reading::Refused("431 Request Header Fields Too Large")
        );
        for garbage in [
            "\u{16}\u{3}\u{1}",
            "GET\r\n\r\n",
            "GET / HTTP/9.9\r\n\r\n",
            "\0\0\0\0",
        ] {
            assert_eq!(
                read(garbage),
                Reading::Refused("400 Bad Request"),
                "{garbage:?}"
            );
        }
    }
}
