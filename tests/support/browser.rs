//! Plays the user's browser on the provider's pages.

use std::time::Duration;

use ureq::Agent;
use ureq::http::{Response, header};
use url::{Url, form_urlencoded};

/// More pages than any sign-in has.
const STEPS: usize = 20;

/// A browser with its cookies: signing in twice with one is single sign-on, with two it is two people.
pub struct Browser {
    agent: Agent,
    cookies: Vec<Cookie>,
}

/// An answer, before any redirect is followed.
#[derive(Debug)]
pub struct Page {
    pub url: Url,
    pub status: u16,
    /// Where it redirects to.
    pub location: Option<Url>,
    pub body: String,
}

/// Where following redirects and forms came to an end.
#[derive(Debug)]
pub enum Landing {
    /// At a redirect away from the provider, which was not followed.
    Left(String),
    /// At a page without a form, or one that is not a success.
    Page(Page),
}

impl Default for Browser {
    fn default() -> Self {
        Self::new()
    }
}

impl Browser {
    pub fn new() -> Self {
        let agent = Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            // The provider closes idle connections, and a test may let time pass between two pages.
            .max_idle_connections(0)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into();
        Self {
            agent,
            cookies: Vec::new(),
        }
    }

    /// Signs in, consents, and returns the callback's URL, which it does not fetch. The callback may be an error.
    ///
    /// # Panics
    /// Where the provider shows an error page of its own.
    pub fn sign_in(&mut self, authorization_url: &str, username: &str) -> String {
        self.follow(authorization_url, &[("username", username)])
            .left()
    }

    /// Presses "Cancel" on the first page, and returns the callback's URL with its error.
    pub fn cancel_sign_in(&mut self, authorization_url: &str) -> String {
        self.follow(authorization_url, &[("cancel", "yes")]).left()
    }

    /// Confirms the sign-out, and returns the post-logout URL without fetching it, or the URL of the provider's own page
    /// where there is none.
    pub fn sign_out(&mut self, end_session_url: &str) -> String {
        match self.follow(end_session_url, &[("logout", "yes")]) {
            Landing::Left(url) => url,
            Landing::Page(page) if page.status == 200 => page.url.into(),
            Landing::Page(page) => panic!("signing out failed: {page:#?}"),
        }
    }

    /// Signs a device in at its complete verification URL.
    pub fn approve_device(&mut self, verification_uri_complete: &str, username: &str) {
        match self.follow(verification_uri_complete, &[("username", username)]) {
            Landing::Page(page) if page.status == 200 => {}
            landing => panic!("approving the device failed: {landing:#?}"),
        }
    }

    /// Declines to sign a device in.
    pub fn deny_device(&mut self, verification_uri_complete: &str) {
        let page = self.get(verification_uri_complete);
        let confirmation = self.submit(&page, &[]);
        self.submit(&confirmation, &[("abort", "yes")]);
    }

    /// Follows redirects and submits every form, until the way leads away from the origin of `url` or there is no form.
    /// Each form is sent with its own fields, and with `fields`: a page takes what it knows.
    pub fn follow(&mut self, url: &str, fields: &[(&str, &str)]) -> Landing {
        let mut page = self.get(url);
        let origin = page.url.origin();
        for _ in 0..STEPS {
            page = match &page.location {
                Some(location) if location.origin() != origin => {
                    return Landing::Left(location.to_string());
                }
                Some(location) => self.get(location.clone().as_str()),
                None if page.status == 200 && page.form().is_some() => self.submit(&page, fields),
                None => return Landing::Page(page),
            };
        }
        panic!("the pages do not come to an end: {page:#?}");
    }

    pub fn get(&mut self, url: &str) -> Page {
        let url = parse(url);
        let request = self
            .agent
            .get(url.as_str())
            .header(header::ACCEPT, "text/html");
        let response = match self.cookies_for(&url) {
            Some(cookies) => request.header(header::COOKIE, cookies).call(),
            None => request.call(),
        };
        self.page(url, response)
    }

    /// Sends the first form of the page: its fields, replaced by or followed by `fields`.
    pub fn submit(&mut self, page: &Page, fields: &[(&str, &str)]) -> Page {
        let form = page
            .form()
            .unwrap_or_else(|| panic!("there is no form to submit: {page:#?}"));
        let own = form
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let own = own.filter(|(name, _)| fields.iter().all(|(given, _)| given != name));
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(own)
            .extend_pairs(fields)
            .finish();

        let request = self
            .agent
            .post(form.action.as_str())
            .header(header::ACCEPT, "text/html")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let response = match self.cookies_for(&form.action) {
            Some(cookies) => request.header(header::COOKIE, cookies).send(body),
            None => request.send(body),
        };
        self.page(form.action, response)
    }

    /// Forgets all cookies.
    pub fn clear(&mut self) {
        self.cookies.clear();
    }

    fn page(&mut self, url: Url, response: Result<Response<ureq::Body>, ureq::Error>) -> Page {
        let mut response = response.unwrap_or_else(|error| panic!("{url}: {error}"));
        for value in response.headers().get_all(header::SET_COOKIE) {
            self.keep(Cookie::parse(
                value.to_str().expect("a cookie is ASCII"),
                &url,
            ));
        }
        let location = response.headers().get(header::LOCATION).map(|location| {
            let location = location.to_str().expect("a location is ASCII");
            url.join(location)
                .unwrap_or_else(|error| panic!("{error}: {location}"))
        });
        let body = response
            .body_mut()
            .read_to_string()
            .unwrap_or_else(|error| panic!("{url}: {error}"));
        Page {
            url,
            status: response.status().as_u16(),
            location,
            body,
        }
    }

    fn keep(&mut self, cookie: Cookie) {
        self.cookies.retain(|kept| {
            (&kept.host, &kept.path, &kept.name) != (&cookie.host, &cookie.path, &cookie.name)
        });
        if !cookie.deleted {
            self.cookies.push(cookie);
        }
    }

    fn cookies_for(&self, url: &Url) -> Option<String> {
        let cookies = self.cookies.iter().filter(|cookie| cookie.is_for(url));
        let pairs: Vec<_> = cookies
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

impl Landing {
    fn left(self) -> String {
        match self {
            Self::Left(url) => url,
            Self::Page(page) => panic!("the provider did not send the browser back: {page:#?}"),
        }
    }
}

struct Form {
    action: Url,
    fields: Vec<(String, String)>,
}

impl Page {
    /// The first form with its inputs. Buttons are not pressed.
    fn form(&self) -> Option<Form> {
        let start = self.body.find("<form")?;
        let form = &self.body[start..];
        let form = form.split("</form>").next()?;
        let mut tags = form
            .split('<')
            .skip(1)
            .filter_map(|tag| tag.split('>').next());

        let action = attribute(tags.next()?, "action");
        let action = self
            .url
            .join(action.as_deref().unwrap_or_default())
            .expect("a form has a valid action");
        let fields = tags
            .filter(|tag| tag.starts_with("input"))
            .filter_map(|tag| {
                Some((
                    attribute(tag, "name")?,
                    attribute(tag, "value").unwrap_or_default(),
                ))
            })
            .collect();
        Some(Form { action, fields })
    }
}

/// The provider's pages quote every value, and with nothing but double quotes.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    let entities = [
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ];
    Some(
        entities
            .iter()
            .fold(value.to_owned(), |value, (entity, text)| {
                value.replace(entity, text)
            }),
    )
}

struct Cookie {
    host: String,
    path: String,
    name: String,
    value: String,
    deleted: bool,
}

impl Cookie {
    /// Lifetimes only matter where they end the cookie at once: the provider deletes with an empty value, and a date in 1970.
    fn parse(header: &str, url: &Url) -> Self {
        let mut parts = header.split(';').map(str::trim);
        let (name, value) = parts
            .next()
            .and_then(|pair| pair.split_once('='))
            .expect("a cookie has a name and a value");
        let mut path = None;
        let mut deleted = value.is_empty();
        for (attribute, value) in parts.filter_map(|part| part.split_once('=')) {
            match attribute.to_ascii_lowercase().as_str() {
                "path" => path = Some(value),
                "max-age" => deleted |= value.parse().is_ok_and(|seconds: i64| seconds <= 0),
                "expires" => deleted |= value.contains(" 1970 "),
                _ => {}
            }
        }
        Self {
            host: url.host_str().unwrap_or_default().to_owned(),
            path: path.unwrap_or("/").to_owned(),
            name: name.to_owned(),
            value: value.to_owned(),
            deleted,
        }
    }

    fn is_for(&self, url: &Url) -> bool {
        let rest = url.path().strip_prefix(&self.path);
        let within = rest.is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/')
        });
        within && url.host_str() == Some(&self.host)
    }
}

fn parse(url: &str) -> Url {
    Url::parse(url).unwrap_or_else(|error| panic!("{error}: {url}"))
}
