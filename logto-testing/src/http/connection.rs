//! One connection, from its first request to its end.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::request::{End, Reader};
use super::server::Shared;
use super::{Delivery, Reply, Request, Response};

/// How much of a body without an end is sent.
const ENDLESS: usize = 64 * 1024 * 1024;

/// Answers the requests that come over a connection until it ends.
pub(super) fn serve(shared: &Shared, stream: &TcpStream, id: u64) {
    let mut reader = Reader::new(stream, id);
    let connection = Connection { shared, stream };
    loop {
        let request = match reader.next(shared.keep_alive) {
            Ok(request) => request,
            Err(End::Refused(status)) => return connection.refuse(status),
            Err(End::Closed) => return,
        };
        let reply = shared.handler.answer(&request);
        match connection.deliver(&request, &reply) {
            Ok(true) if !shared.stop.is_stopped() => {}
            _ => return,
        }
    }
}

struct Connection<'a> {
    shared: &'a Shared,
    stream: &'a TcpStream,
}

impl Connection<'_> {
    /// Sends the reply, and tells whether the connection goes on.
    fn deliver(&self, request: &Request, reply: &Reply) -> io::Result<bool> {
        let message = self.message(request, &reply.response);
        match reply.delivery {
            Delivery::Whole => self.send(&message)?,
            Delivery::After(delay) => {
                self.shared.stop.sleep(delay);
                self.send(&message)?;
            }
            Delivery::Drip(delay) => self.drip(&message, delay)?,
            Delivery::Half => {
                self.send(half(&message, &reply.response.body))?;
                return Ok(false);
            }
            Delivery::Nothing => return Ok(false),
            Delivery::Never => {
                self.wait_for_the_end();
                return Ok(false);
            }
            Delivery::Endless => {
                self.send_endlessly(&reply.response)?;
                return Ok(false);
            }
        }
        Ok(request.keep_alive)
    }

    fn message(&self, request: &Request, response: &Response) -> Vec<u8> {
        let keep_alive = request.keep_alive.then_some(self.shared.keep_alive);
        let mut message = response.head(self.shared.handler.now(), keep_alive);
        if request.method != "HEAD" && response.may_have_body() {
            message.extend_from_slice(&response.body);
        }
        message
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stream = self.stream;
        stream.write_all(bytes)
    }

    fn drip(&self, bytes: &[u8], delay: Duration) -> io::Result<()> {
        for byte in bytes {
            if self.shared.stop.is_stopped() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.send(&[*byte])?;
            self.shared.stop.sleep(delay);
        }
        Ok(())
    }

    fn send_endlessly(&self, response: &Response) -> io::Result<()> {
        self.send(&response.chunked_head(self.shared.handler.now()))?;
        self.send(b"2\r\n{\"\r\n")?;
        let mut chunk = b"10000\r\n".to_vec();
        chunk.resize(chunk.len() + 0x10000, b'x');
        chunk.extend_from_slice(b"\r\n");
        for _ in 0..ENDLESS / 0x10000 {
            self.send(&chunk)?;
        }
        Ok(())
    }

    /// Returns when the client closes the connection, or the server stops.
    fn wait_for_the_end(&self) {
        let mut stream = self.stream;
        let mut ignored = [0; 1024];
        if stream.set_read_timeout(None).is_ok() {
            while matches!(stream.read(&mut ignored), Ok(1..)) {}
        }
    }

    fn refuse(&self, status: u16) {
        let message = Response::empty(status).head(self.shared.handler.now(), None);
        // The client may be gone already.
        let _ = self.send(&message);
    }
}

/// A message that ends in the middle of its body, or of its head if it has none.
fn half<'a>(message: &'a [u8], body: &[u8]) -> &'a [u8] {
    let has_body = !body.is_empty() && message.ends_with(body);
    let missing = if has_body { body.len() } else { message.len() };
    &message[..message.len() - missing.div_ceil(2)]
}
