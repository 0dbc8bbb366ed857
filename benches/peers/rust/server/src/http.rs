//! As much of HTTP/1.1 as the clients speak.

use std::io::{self, BufRead, Read as _, Write as _};
use std::net::TcpStream;

pub(crate) struct Request {
    pub path: String,
    /// Of the URL or of the body.
    pub form: String,
}

pub(crate) struct Answer {
    pub status: &'static str,
    pub body: String,
}

impl Request {
    /// What the form says of this name; nothing if it is not there.
    pub fn value(&self, name: &str) -> String {
        let mut pairs = self.form.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.find(|(key, _)| *key == name).map(|(_, value)| value);
        percent_decode(value.unwrap_or_default())
    }
}

/// The next request; `None` if the client has hung up.
pub(crate) fn read(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let target = line.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap_or(0);
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = String::new();
    reader.take(length).read_to_string(&mut body)?;
    let form = if body.is_empty() { query } else { body };
    Ok(Some(Request { path, form }))
}

pub(crate) fn write(mut stream: &TcpStream, answer: &Answer) -> io::Result<()> {
    let Answer { status, body } = answer;
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\n\r\n{body}",
    );
    stream.write_all(text.as_bytes())
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap_or(0), rest.next().unwrap_or(0)];
                let digits = str::from_utf8(&digits).unwrap_or_default();
                u8::from_str_radix(digits, 16).unwrap_or(b'?')
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
