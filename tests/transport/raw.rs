//! A server that sends the bytes it is told to.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What a connection is handed to once its first request was read.
pub trait Answer: Fn(&mut TcpStream) + Send + Sync + 'static {}

impl<F: Fn(&mut TcpStream) + Send + Sync + 'static> Answer for F {}

/// Reads one request a connection, and closes it after the answer.
pub struct RawServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    connections: AtomicUsize,
    requests: AtomicUsize,
    is_stopped: AtomicBool,
    recorded: Mutex<Vec<String>>,
}

impl RawServer {
    pub fn start(answer: impl Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let acceptor = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared, &Arc::new(answer))
        });
        Self {
            address,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// One that answers each request with these bytes.
    pub fn with(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        // The client may have had enough before the end.
        Self::start(move |stream| drop(stream.write_all(&answer)))
    }

    /// What it was sent so far.
    pub fn recorded(&self) -> Vec<String> {
        self.shared.recorded.lock().unwrap().clone()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Holds the server to have read so many requests, once it has got round to it.
    pub fn has_read(&self, requests: usize, context: &str) {
        let read = || self.shared.requests.load(Ordering::SeqCst);
        for _ in 0..3000 {
            if read() >= requests {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(read(), requests, "requests, {context}");
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::SeqCst);
        if TcpStream::connect(self.address).is_ok() {
            let _ = self.acceptor.take().unwrap().join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, answer: &Arc<impl Answer>) {
    for stream in listener.incoming() {
        if shared.is_stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(mut stream) = stream else { continue };
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let (shared, answer) = (Arc::clone(shared), Arc::clone(answer));
        thread::spawn(move || {
            if let Ok(request) = read_request(&mut stream) {
                let text = String::from_utf8_lossy(&request).into_owned();
                shared.recorded.lock().unwrap().push(text);
                shared.requests.fetch_add(1, Ordering::SeqCst);
                answer(&mut stream);
            }
        });
    }
}

/// The head and the body of a request.
pub fn read_request(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    let mut missing = None;
    while missing != Some(0) {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        request.push(byte[0]);
        missing = match missing {
            Some(missing) => Some(missing - 1),
            None if request.ends_with(b"\r\n\r\n") => Some(content_length(&request)),
            None => None,
        };
    }
    Ok(request)
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    head.lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |length| length.trim().parse().unwrap())
}

/// A 200 of JSON with these headers more.
pub fn json(headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}\r\n");
    [head.as_bytes(), body.as_ref()].concat()
}

/// The same with the length of the body.
pub fn json_with_length(headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let length = format!("Content-Length: {}\r\n{headers}", body.as_ref().len());
    json(&length, body)
}
