//! Sending a form.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use url::Url;

/// How long the other end may take for each step.
const PATIENCE: Duration = Duration::from_secs(5);
const MAX_HEAD: u64 = 64 * 1024;
const MAX_HEADERS: usize = 100;

/// Sends a form by `http`, and gives the status of the answer.
pub(crate) fn post_form(uri: &str, form: &str) -> io::Result<u16> {
    let invalid = |reason: &str| io::Error::new(io::ErrorKind::InvalidInput, reason);
    let uri = Url::parse(uri).map_err(|_| invalid("the URI is none"))?;
    let (Some(host), Some(port), "http") =
        (uri.host_str(), uri.port_or_known_default(), uri.scheme())
    else {
        return Err(invalid("the URI is not one of http"));
    };
    let target = match uri.query() {
        Some(query) => format!("{}?{query}", uri.path()),
        None => uri.path().to_owned(),
    };
    let request = format!(
        "POST {target} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let mut stream = connect(&uri)?;
    stream.write_all(request.as_bytes())?;
    read_status(stream)
}

/// `localhost` has two addresses, of which one may be nobody's.
fn connect(uri: &Url) -> io::Result<TcpStream> {
    let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in uri.socket_addrs(|| None)? {
        result = TcpStream::connect_timeout(&address, PATIENCE);
        if result.is_ok() {
            break;
        }
    }
    let stream = result?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn read_status(stream: TcpStream) -> io::Result<u16> {
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not one of HTTP");
    let mut stream = stream.take(MAX_HEAD);
    let mut head = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        if response.parse(&head).map_err(|_| broken())?.is_complete() {
            return response.code.ok_or_else(broken);
        }
        match stream.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => head.extend_from_slice(&chunk[..read]),
        }
    }
}
