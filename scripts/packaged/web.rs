//! The same through the routes of a web application, which is asked without a server.

use http::{HeaderMap, Request, Response, header};
use logto::web::WebAuth;
use logto::{Logto, LogtoConfig, storage::MemoryStorage};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let redirect_uri = std::env::var("REDIRECT_URI")?;
    let base_url = redirect_uri.strip_suffix("/callback").unwrap();
    let auth = WebAuth::new(
        Logto::new(LogtoConfig::from_env()?)?,
        MemoryStorage::new(),
        base_url,
    )?;

    let refused = page(&auth, &get("/orders", None)).headers().clone();
    let to_sign_in = get(text(&refused, header::LOCATION), None);
    let begun = auth.handle(&to_sign_in).unwrap().headers().clone();
    println!("{}", text(&begun, header::LOCATION));
    let mut callback = String::new();
    std::io::stdin().read_line(&mut callback)?;
    let target = callback.trim_end().strip_prefix(base_url).unwrap();
    let ended = auth
        .handle(&get(target, Some(&begun)))
        .unwrap()
        .headers()
        .clone();
    let target = text(&ended, header::LOCATION);
    let orders = page(&auth, &get(target, Some(&ended)));
    println!("{}", String::from_utf8_lossy(orders.body()));
    Ok(())
}

fn page(auth: &WebAuth, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
    match auth.require_user(request) {
        Ok(user) => Response::new(format!("Hello, {}", user.claims().sub).into_bytes()),
        Err(rejection) => rejection.into_response(),
    }
}

/// With the cookies of the answer before.
fn get(target: &str, answer: Option<&HeaderMap>) -> Request<Vec<u8>> {
    let mut request = Request::get(target);
    let cookies = answer.map(|headers| headers.get_all(header::SET_COOKIE).iter());
    for cookie in cookies.into_iter().flatten() {
        let (pair, _) = cookie.to_str().unwrap().split_once(';').unwrap();
        request = request.header(header::COOKIE, pair);
    }
    request.body(Vec::new()).unwrap()
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers[name].to_str().unwrap()
}
