//! The browser of a user who only clicks on.

use url::Url;

use crate::endpoint::Endpoint;
use crate::http::{Handler, Request, Response};
use crate::provider::Provider;

/// How many redirects are followed.
const MAX_STEPS: usize = 10;

/// A browser that asks the server without a connection, and keeps its cookies.
#[derive(Debug, Default)]
pub(crate) struct Browser {
    cookie: Option<String>,
}

impl Browser {
    /// Opens an address of the server, goes where it is sent, and returns the first address that
    /// is not the server's.
    pub(crate) fn visit(&mut self, provider: &Provider, url: &str) -> Result<String, String> {
        let home = Url::parse(provider.issuer()).map_err(|error| error.to_string())?;
        let mut url = Url::parse(url).map_err(|error| format!("{url}: {error}"))?;
        if url.origin() != home.origin() {
            return Err(format!("{url} is not an address of {home}"));
        }
        for _ in 0..MAX_STEPS {
            let response = self.get(provider, &url);
            let Some(location) = response.header_value("location") else {
                return Err(format!(
                    "{} answers {}: {}",
                    url.path(),
                    response.status,
                    String::from_utf8_lossy(&response.body)
                ));
            };
            url = url
                .join(location)
                .map_err(|error| format!("{location}: {error}"))?;
            if url.origin() != home.origin() || !is_ours(&url) {
                return Ok(location.to_owned());
            }
        }
        Err(format!("{url} comes after too many redirects"))
    }

    fn get(&mut self, provider: &Provider, url: &Url) -> Response {
        if url.path() == "/sign-in" {
            return self.click(provider, url);
        }
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        self.send(provider, "GET", &target, b"")
    }

    /// Chooses the user who is to sign in.
    fn click(&mut self, provider: &Provider, page: &Url) -> Response {
        let user = provider.people().next().map(|user| user.id.clone());
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(page.query_pairs())
            .append_pair("user", &user.unwrap_or_default())
            .finish();
        self.send(provider, "POST", page.path(), form.as_bytes())
    }

    fn send(&mut self, provider: &Provider, method: &str, target: &str, form: &[u8]) -> Response {
        let cookie = self
            .cookie
            .iter()
            .map(|cookie| ("Cookie".to_owned(), cookie.clone()));
        let request = Request::local(method, target, form, cookie.collect());
        let response = provider.answer(&request).response;
        if let Some(cookie) = response.header_value("set-cookie") {
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        response
    }
}

/// An application may be on another path of the same origin, at least in theory.
fn is_ours(url: &Url) -> bool {
    url.path() == "/sign-in" || Endpoint::at(url.path()).is_some()
}
