//! Where browsers reach the application, and whether a request comes from there.

use http::header::ORIGIN;
use http::{HeaderMap, Method};
use url::{Host, Url};

use super::builder::WebConfigError;

/// The longest target of a return that is kept, in bytes.
const LONGEST_RETURN: usize = 2048;

/// An origin: scheme, host and port, without a path.
#[derive(Debug)]
pub(super) struct BaseUrl {
    /// Without a slash at its end.
    text: String,
    url: Url,
}

impl BaseUrl {
    pub fn parse(text: &str) -> Result<Self, WebConfigError> {
        let invalid = |reason| WebConfigError::InvalidBaseUrl { reason };
        let url = Url::parse(text).map_err(|_| invalid("it does not parse"))?;
        let is_loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return Err(invalid("it has no host")),
        };
        match url.scheme() {
            "https" => {}
            "http" if is_loopback => {}
            "http" => return Err(invalid("http is for loopback hosts; use https")),
            _ => return Err(invalid("its scheme is neither https nor http")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("it has a user name or a password"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("it has more than scheme, host and port"));
        }
        Ok(Self {
            text: url.origin().ascii_serialization(),
            url,
        })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// A path with its query that the browser resolves to this origin; `None` for anything else.
    pub fn local<'a>(&self, target: &'a str) -> Option<&'a str> {
        let is_path = target.starts_with('/') && !target.starts_with("//");
        let is_clean = target
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let stays = || {
            let resolved = self.url.join(target);
            resolved.is_ok_and(|url| url.origin() == self.url.origin())
        };
        (target.len() <= LONGEST_RETURN && is_path && is_clean && stays()).then_some(target)
    }

    /// The path that the browser asks for when it is sent to this target; `None` if there is none.
    pub fn resolved_path(&self, target: &str) -> Option<String> {
        let resolved = self.url.join(target).ok()?;
        Some(resolved.path().to_owned())
    }

    /// Whether it is a path as a browser sends it: without a query, and with nothing left to resolve or
    /// to encode.
    pub fn is_plain_path(&self, path: &str) -> bool {
        let resolves_to_itself = || self.url.join(path).is_ok_and(|url| url.path() == path);
        self.local(path).is_some() && !path.contains(['?', '#', '%']) && resolves_to_itself()
    }

    /// Whether a browser says that another origin's page has sent this. Every browser sends one of the
    /// two headers with a form; what sends neither is no browser, and has no visitor's cookie.
    pub fn is_cross_origin(&self, headers: &HeaderMap) -> bool {
        let mut sites = headers.get_all("sec-fetch-site").iter().peekable();
        if sites.peek().is_some() {
            return !sites.all(|site| site == "same-origin" || site == "none");
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        !origins.all(|origin| origin.as_bytes() == self.text.as_bytes())
    }
}

/// Whether a request of this method is meant to change something
/// ([RFC 9110, section 9.2.1](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1)).
pub(super) fn is_unsafe(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_an_origin_that_nobody_can_listen_to() {
        for (text, expected) in [
            ("https://app.example.com", "https://app.example.com"),
            ("https://App.Example.com:443/", "https://app.example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000/", "http://[::1]:3000"),
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap().as_str(), expected);
        }
        for text in [
            "",
            "app.example.com",
            "http://app.example.com",
            "https://user@app.example.com",
            "https://app.example.com/path",
            "https://app.example.com?query",
            "ftp://localhost",
            "file:///",
        ] {
            assert!(BaseUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_a_path_of_this_origin_is_returned_to() {
        let base = BaseUrl::parse("https://app.example.com").unwrap();
        for target in ["/", "/orders?page=2&sort=a%20b", "/a//b", "/@evil.example"] {
            assert_eq!(base.local(target), Some(target));
        }
        for target in [
            "",
            "orders",
            "//evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "/\t/evil.example",
            "/a\r\nSet-Cookie: x=y",
            "https://evil.example",
            "https:/evil.example",
            "javascript:alert(1)",
            "/ä",
        ] {
            assert_eq!(base.local(target), None, "{target}");
        }
        assert_eq!(base.local(&format!("/{}", "a".repeat(2048))), None);
    }

    #[test]
    fn a_browser_says_which_site_sends_a_form() {
        let base = BaseUrl::parse("https://app.example.com").unwrap();
        let is_cross_origin = |headers: &[(&'static str, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            base.is_cross_origin(&map)
        };
        assert!(!is_cross_origin(&[]));
        assert!(!is_cross_origin(&[("sec-fetch-site", "same-origin")]));
        assert!(!is_cross_origin(&[("origin", "https://app.example.com")]));
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "SAME-ORIGIN"),
            ("origin", "https://evil.example"),
            ("origin", "https://app.example.com.evil.example"),
            ("origin", "http://app.example.com"),
            ("origin", "null"),
        ] {
            assert!(is_cross_origin(&[(name, value)]), "{name}: {value}");
        }
        assert!(is_cross_origin(&[
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "cross-site"),
        ]));
    }
}
