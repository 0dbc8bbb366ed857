//! A server on the loopback interface that does as little as it can: its answers are prepared.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::canned::metadata;

/// Connections are kept for as long as the client keeps them. Ends with the process.
pub(crate) struct TokenServer {
    endpoint: String,
    answers: Arc<Answers>,
}

struct Answers {
    metadata: Vec<u8>,
    keys: Vec<u8>,
    tokens: Mutex<Arc<Vec<u8>>>,
}

impl TokenServer {
    /// With this key in its key set.
    pub(crate) fn start(key: &Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::new(Answers {
            metadata: answer(&metadata(&endpoint)),
            keys: answer(&json!({ "keys": [key] })),
            tokens: Mutex::default(),
        });
        let shared = Arc::clone(&answers);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let answers = Arc::clone(&shared);
                thread::spawn(move || serve(&stream.unwrap(), &answers));
            }
        });
        Self { endpoint, answers }
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What every request for tokens is answered from now on.
    pub(crate) fn answer_tokens(&self, tokens: &Value) {
        *self.answers.tokens.lock().unwrap() = Arc::new(answer(tokens));
    }
}

fn answer(body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: no-store\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Until the client closes the connection.
fn serve(stream: &TcpStream, answers: &Answers) {
    stream.set_nodelay(true).unwrap();
    let mut requests = BufReader::new(stream);
    let mut to_client = stream;
    while let Some(path) = next_request(&mut requests) {
        let written = match path.as_str() {
            "/oidc/token" => {
                let tokens = Arc::clone(&answers.tokens.lock().unwrap());
                to_client.write_all(&tokens)
            }
            "/oidc/jwks" => to_client.write_all(&answers.keys),
            _ => to_client.write_all(&answers.metadata),
        };
        if written.is_err() {
            return;
        }
    }
}

/// The path of the next request, which is read to its end.
fn next_request(requests: &mut BufReader<&TcpStream>) -> Option<String> {
    let (mut line, mut path, mut body) = (String::new(), None, 0);
    loop {
        line.clear();
        if requests.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if path.is_none() {
            path = Some(line.split(' ').nth(1)?.to_owned());
        } else if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            body = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; body];
    requests.read_exact(&mut body).ok()?;
    path
}
