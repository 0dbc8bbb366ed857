//! What the browser is shown when it comes back.
//!
//! No page repeats anything that came with the request. Each takes the code out of the address bar.

use crate::html::escape;

const TEMPLATE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// The SHA-256 of [`STYLE`] and [`SCRIPT`], as the policy of the page names what may run in it.
const STYLE_HASH: &str = "vVigq+xgrhKD2TfXShi4SH7skR0NGIAoU/scD+XSYjc=";
const SCRIPT_HASH: &str = "ixzo+owSEfJWq9z0HJaxCJAlk3mRYZRq9JaxhZ3hBmA=";

const CHECK_MARK: &str = "M17 29l8 8 15-17";
const CROSS: &str = "M20 20l16 16M36 20L20 36";

/// What differs between programs.
#[derive(Debug, Clone, Default)]
pub(super) struct Pages {
    pub app_name: Option<String>,
    pub success_html: Option<String>,
    pub failure_html: Option<String>,
}

impl Pages {
    /// After a sign-in.
    pub fn signed_in(&self) -> Vec<u8> {
        let text = format!("You can close this tab and return to {}.", self.app());
        page(true, self.success_html.as_ref(), "You are signed in", &text)
    }

    /// After a sign-out.
    pub fn signed_out(&self) -> Vec<u8> {
        let text = "You can close this tab.";
        page(true, self.success_html.as_ref(), "You are signed out", text)
    }

    /// After a sign-in that failed, or that the user has declined.
    pub fn failed(&self, is_denied: bool) -> Vec<u8> {
        let app = self.app();
        let (heading, text) = match is_denied {
            true => (
                "You are not signed in",
                format!("The sign-in was declined. You can close this tab and return to {app}."),
            ),
            false => (
                "The sign-in did not work",
                format!("Close this tab and return to {app}, which knows what went wrong."),
            ),
        };
        page(false, self.failure_html.as_ref(), heading, &text)
    }

    fn app(&self) -> String {
        match &self.app_name {
            Some(name) => escape(name),
            None => "the application".to_owned(),
        }
    }
}

/// The page for a browser with the state of another sign-in.
pub(super) fn stranger() -> Vec<u8> {
    let text = "It may come from an earlier attempt. Close this tab and go on in the newest one.";
    page(false, None, "This link is out of date", text)
}

/// The response to a request that no user looks at.
pub(super) fn refusal(status: &str) -> Vec<u8> {
    let policy = "default-src 'none'; frame-ancestors 'none'";
    let reason = status.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    response(status, "text/plain", policy, &format!("{reason}\n"))
}

fn page(is_good: bool, own: Option<&String>, heading: &str, text: &str) -> Vec<u8> {
    let (status, mood, drawing) = match is_good {
        true => ("200 OK", "good", CHECK_MARK),
        false => ("400 Bad Request", "bad", CROSS),
    };
    let built_in = || {
        TEMPLATE
            .replace("{style}", STYLE)
            .replace("{mood}", mood)
            .replace("{drawing}", drawing)
            .replace("{heading}", heading)
            // The last, because it may hold a name that the program has chosen.
            .replace("{text}", text)
    };
    let (page, style) = match own {
        Some(html) => (html.clone(), "'unsafe-inline'".to_owned()),
        None => (built_in(), format!("'sha256-{STYLE_HASH}'")),
    };
    let policy = format!(
        "default-src 'none'; style-src {style}; script-src 'sha256-{SCRIPT_HASH}'; \
         img-src data:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let body = format!("{page}<script>{SCRIPT}</script>\n");
    response(status, "text/html", &policy, &body)
}

/// The whole message. The connection ends with it, and no cache keeps it.
fn response(status: &str, content_type: &str, policy: &str, body: &str) -> Vec<u8> {
    let (length, is_method) = (body.len(), status.starts_with("405"));
    let allow = if is_method { "Allow: GET\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status}\r\n{allow}Content-Type: {content_type}; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n\
         X-Content-Type-Options: nosniff\r\nContent-Security-Policy: {policy}\r\n\r\n{body}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use ring::digest::{SHA256, digest};

    use super::*;

    /// In the base64 of the policy's grammar, padded.
    fn hash(text: &str) -> String {
        let digest = digest(&SHA256, text.as_bytes());
        let hash = logto_core::urlsafe_encode(digest.as_ref());
        format!("{}=", hash.replace('-', "+").replace('_', "/"))
    }

    fn text(response: Vec<u8>) -> String {
        String::from_utf8(response).unwrap()
    }

    #[test]
    fn the_policy_allows_this_style_and_this_script() {
        assert_eq!((STYLE_HASH, SCRIPT_HASH), (&*hash(STYLE), &*hash(SCRIPT)));
        let page = text(Pages::default().signed_in());
        assert!(page.contains(&format!("<style>{STYLE}</style>")));
        assert!(page.contains(&format!("<script>{SCRIPT}</script>")));
    }

    #[test]
    fn a_programs_name_is_escaped() {
        let pages = Pages {
            app_name: Some("<script>alert('Tom & \"Jerry\"')</script>{style}".to_owned()),
            ..Pages::default()
        };
        let page = text(pages.signed_in());
        assert!(page.contains(
            "&lt;script&gt;alert(&#39;Tom &amp; &quot;Jerry&quot;&#39;)&lt;/script&gt;{style}."
        ));
        assert_eq!(page.matches("<script>").count(), 1);
    }

    #[test]
    fn a_programs_own_page_is_framed_by_the_same_rules() {
        let pages = Pages {
            success_html: Some("<h1>Hooray</h1>".to_owned()),
            ..Pages::default()
        };
        let page = text(pages.signed_in());
        assert!(page.contains("\r\n\r\n<h1>Hooray</h1><script>history.replaceState"));
        assert!(page.contains("style-src 'unsafe-inline'; script-src 'sha256-"));
        assert!(text(pages.failed(false)).contains("The sign-in did not work"));
    }

    #[test]
    fn nothing_is_kept_or_handed_on() {
        for response in [Pages::default().signed_in(), refusal("404 Not Found")] {
            let text = text(response);
            for header in [
                "Connection: close",
                "Cache-Control: no-store",
                "Referrer-Policy: no-referrer",
                "X-Content-Type-Options: nosniff",
                "Content-Security-Policy: default-src 'none'",
            ] {
                assert!(text.contains(header), "{header} in {text}");
            }
            let (_, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(text.contains(&format!("Content-Length: {}\r\n", body.len())));
        }
    }
}
