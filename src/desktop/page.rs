//! What the browser is shown when it comes back.
//!
//! No page repeats anything that came with the request. Each takes the code out of the address bar.

use std::fmt::Write as _;

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

/// An answer to the browser.
pub(super) struct Answer {
    status: u16,
    content_type: &'static str,
    /// What may be loaded by the page, and run in it.
    policy: String,
    body: String,
}

struct Texts<'a> {
    is_good: bool,
    heading: &'a str,
    text: String,
}

impl Pages {
    /// After a sign-in.
    pub fn signed_in(&self) -> Answer {
        let texts = Texts {
            is_good: true,
            heading: "You are signed in",
            text: format!("You can close this tab and return to {}.", self.app()),
        };
        self.page(200, self.success_html.as_deref(), &texts)
    }

    /// After a sign-out.
    pub fn signed_out(&self) -> Answer {
        let texts = Texts {
            is_good: true,
            heading: "You are signed out",
            text: "You can close this tab.".to_owned(),
        };
        self.page(200, self.success_html.as_deref(), &texts)
    }

    /// After a sign-in that the user has declined.
    pub fn denied(&self) -> Answer {
        let texts = Texts {
            is_good: false,
            heading: "You are not signed in",
            text: format!(
                "The sign-in was declined. You can close this tab and return to {}.",
                self.app()
            ),
        };
        self.page(400, self.failure_html.as_deref(), &texts)
    }

    /// After a sign-in that failed otherwise.
    pub fn failed(&self) -> Answer {
        let texts = Texts {
            is_good: false,
            heading: "The sign-in did not work",
            text: format!(
                "Close this tab and return to {}, which knows what went wrong.",
                self.app()
            ),
        };
        self.page(400, self.failure_html.as_deref(), &texts)
    }

    /// For who comes with a state that is not waited for.
    pub fn stranger(&self) -> Answer {
        let texts = Texts {
            is_good: false,
            heading: "This link is out of date",
            text:
                "It may come from an earlier attempt. Close this tab and go on in the newest one."
                    .to_owned(),
        };
        self.page(400, None, &texts)
    }

    fn app(&self) -> String {
        match &self.app_name {
            Some(name) => escape(name),
            None => "the application".to_owned(),
        }
    }

    fn page(&self, status: u16, own: Option<&str>, texts: &Texts<'_>) -> Answer {
        let (page, style) = match own {
            Some(html) => (html.to_owned(), "'unsafe-inline'".to_owned()),
            None => (texts.to_html(), format!("'sha256-{STYLE_HASH}'")),
        };
        Answer {
            status,
            content_type: "text/html; charset=utf-8",
            policy: format!(
                "default-src 'none'; style-src {style}; script-src 'sha256-{SCRIPT_HASH}'; \
                 img-src data:; font-src data:; base-uri 'none'; form-action 'none'; \
                 frame-ancestors 'none'"
            ),
            body: format!("{page}<script>{SCRIPT}</script>\n"),
        }
    }
}

impl Texts<'_> {
    fn to_html(&self) -> String {
        let (mood, drawing) = match self.is_good {
            true => ("good", CHECK_MARK),
            false => ("bad", CROSS),
        };
        TEMPLATE
            .replace("{style}", STYLE)
            .replace("{mood}", mood)
            .replace("{drawing}", drawing)
            .replace("{heading}", self.heading)
            // The last, because it may hold a name that the program has chosen.
            .replace("{text}", &self.text)
    }
}

impl Answer {
    /// For what nobody looks at.
    pub fn refusal(status: u16) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            policy: "default-src 'none'; frame-ancestors 'none'".to_owned(),
            body: format!("{}\n", reason(status)),
        }
    }

    /// The whole message. The connection ends with it, and nothing of it is kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut message = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        let headers = [
            ("Content-Type", self.content_type),
            ("Content-Length", &self.body.len().to_string()),
            ("Connection", "close"),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", &self.policy),
        ];
        for (name, value) in headers {
            let _ = write!(message, "{name}: {value}\r\n");
        }
        if self.status == 405 {
            message.push_str("Allow: GET\r\n");
        }
        message.push_str("\r\n");
        message.push_str(&self.body);
        message.into_bytes()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        404 => "Not Found",
        405 => "Method Not Allowed",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        _ => "Bad Request",
    }
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

    fn text(answer: &Answer) -> String {
        String::from_utf8(answer.to_bytes()).unwrap()
    }

    #[test]
    fn the_policy_allows_this_style_and_this_script() {
        assert_eq!((STYLE_HASH, SCRIPT_HASH), (&*hash(STYLE), &*hash(SCRIPT)));
        let page = text(&Pages::default().signed_in());
        assert!(page.contains(&format!("<style>{STYLE}</style>")));
        assert!(page.contains(&format!("<script>{SCRIPT}</script>")));
    }

    #[test]
    fn a_programs_name_is_escaped() {
        let pages = Pages {
            app_name: Some("<script>alert('Tom & \"Jerry\"')</script>{style}".to_owned()),
            ..Pages::default()
        };
        let page = text(&pages.signed_in());
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
        let page = text(&pages.signed_in());
        assert!(page.contains("\r\n\r\n<h1>Hooray</h1><script>history.replaceState"));
        assert!(page.contains("style-src 'unsafe-inline'; script-src 'sha256-"));
        assert!(text(&pages.failed()).contains("The sign-in did not work"));
    }

    #[test]
    fn nothing_is_kept_or_handed_on() {
        for answer in [Pages::default().signed_in(), Answer::refusal(404)] {
            let text = text(&answer);
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
