use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::import::session_id;

/// Gives a request that comes with the cookie of the Python application the one of its session here.
/// To be called before `WebAuth` sees the request.
pub fn adopt(headers: &mut HeaderMap, python_cookie: &str, our_cookie: &str) {
    if value(headers, our_cookie).is_some() {
        return;
    }
    let Some(id) = value(headers, python_cookie).map(session_id) else {
        return;
    };
    let cookie = format!("{our_cookie}={}", id.expose());
    headers.append(
        COOKIE,
        HeaderValue::try_from(cookie).expect("letters and digits"),
    );
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers
        .get_all(COOKIE)
        .into_iter()
        .filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).map(str::trim);
    pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}
