//! Between tiny_http's requests and responses and those of the crate `http`, which `logto::web` speaks.

use std::io::{self, Read};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

/// The longest body that is read, in bytes.
const LONGEST_BODY: u64 = 64 * 1024;

/// The request with its body; `None` if it is none that HTTP allows, or its body is too long.
pub fn from_tiny_http(request: &mut tiny_http::Request) -> Option<http::Request<Vec<u8>>> {
    let mut body = Vec::new();
    let mut reader = request.as_reader().take(LONGEST_BODY + 1);
    reader.read_to_end(&mut body).ok()?;
    if body.len() as u64 > LONGEST_BODY {
        return None;
    }
    let mut read = http::Request::new(body);
    *read.method_mut() = Method::from_bytes(request.method().as_str().as_bytes()).ok()?;
    *read.uri_mut() = request.url().parse::<Uri>().ok()?;
    *read.headers_mut() = headers(request);
    Some(read)
}

fn headers(request: &tiny_http::Request) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for header in request.headers() {
        let name = HeaderName::from_bytes(header.field.as_str().as_bytes());
        let value = HeaderValue::from_bytes(header.value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            // A header that comes twice stays two: of two session cookies one was planted.
            headers.append(name, value);
        }
    }
    headers
}

pub fn respond(
    request: tiny_http::Request,
    response: http::Response<Vec<u8>>,
) -> Result<(), io::Error> {
    let (parts, body) = response.into_parts();
    let mut answer = tiny_http::Response::from_data(body).with_status_code(parts.status.as_u16());
    for (name, value) in &parts.headers {
        let header = tiny_http::Header::from_bytes(name.as_str(), value.as_bytes());
        answer.add_header(header.map_err(|()| io::Error::other("a header is not ASCII"))?);
    }
    request.respond(answer)
}
