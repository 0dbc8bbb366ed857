//! One connection: bytes go out, replies come in, both until a deadline.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use logto_core::StorageErrorKind::{Backend, PermissionDenied};
use redis::{Parser, Pipeline, Value};

use crate::error::{Failure, Refusal};

use super::address::{Endpoint, Login};
use super::deadline::Deadline;
use super::tls::{Tls, TlsStream};

/// No answer to one call is larger: a session's values are small, and so is a page of `SCAN`.
const MAX_ANSWER: u64 = 64 << 20;

/// How much is read at once.
const CHUNK: usize = 16 << 10;

/// One connection, logged in. After an error other than a refusal it is of no more use: what comes over
/// it then may be the answer to an earlier call.
pub(super) struct Connection {
    stream: Stream,
}

enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream>),
}

impl Connection {
    pub(super) fn open(
        endpoint: &Endpoint,
        login: &Login,
        tls: Option<&Tls>,
        deadline: Deadline,
    ) -> Result<Self, Failure> {
        let tcp = connect(endpoint, deadline)?;
        let socket = Socket { tcp, deadline };
        let stream = match tls {
            None => Stream::Plain(socket),
            Some(tls) => Stream::Tls(Box::new(tls.begin(&endpoint.host, socket)?)),
        };
        let mut connection = Self { stream };
        connection.log_in(login, deadline)?;
        Ok(connection)
    }

    /// Whether nothing was said since the last answer, and the server is still there.
    pub(super) fn is_quiet(&mut self) -> bool {
        let tcp = &self.stream.socket().tcp;
        let peeked = tcp.set_nonblocking(true).and_then(|()| tcp.peek(&mut [0]));
        let is_silent = peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        tcp.set_nonblocking(false).is_ok() && is_silent
    }

    /// Sends all, then reads the reply of each. The first error among them is the answer.
    pub(super) fn call(
        &mut self,
        commands: &Pipeline,
        deadline: Deadline,
    ) -> Result<Vec<Value>, Failure> {
        self.stream.socket().deadline = deadline;
        let sent = self.stream.send(&commands.get_packed_pipeline());
        sent.map_err(|error| failure_of(&error))?;
        let mut stream = Bounded {
            stream: &mut self.stream,
            ahead: Vec::new(),
            given: 0,
            left: MAX_ANSWER,
            failure: None,
        };
        let mut parser = Parser::new();
        let mut answers = Vec::with_capacity(commands.len());
        for _ in 0..commands.len() {
            match parser.parse_value(&mut stream) {
                Ok(answer) => answers.push(answer),
                Err(error) if error.is_io_error() => {
                    let closed = || Failure::Broken(io::ErrorKind::UnexpectedEof.into());
                    return Err(stream.failure.unwrap_or_else(closed));
                }
                Err(_) => return Err(Failure::not_redis()),
            }
        }
        if stream.has_more()? {
            return Err(Failure::not_redis());
        }
        answers.into_iter().map(accepted).collect()
    }

    fn log_in(&mut self, login: &Login, deadline: Deadline) -> Result<(), Failure> {
        if let Some(password) = &login.password {
            let mut auth = redis::pipe();
            auth.cmd("AUTH").arg(&login.user).arg(password);
            let refused = "the server does not accept the user or the password, or has no password";
            self.call(&auth, deadline)
                .map_err(|failure| failure.told_if_err(PermissionDenied, refused))?;
        }
        let database = login.database;
        if database != 0 {
            let refused = format!("the server has no database {database}");
            self.call(redis::pipe().cmd("SELECT").arg(database), deadline)
                .map_err(|failure| failure.told_if_err(Backend, &refused))?;
        }
        Ok(())
    }
}

fn accepted(answer: Value) -> Result<Value, Failure> {
    match answer {
        Value::ServerError(error) => Err(Failure::Refused(Refusal::of(&error))),
        answer => Ok(answer),
    }
}

/// A socket whose every wait ends at the deadline, however slowly the bytes drip.
pub(super) struct Socket {
    tcp: TcpStream,
    deadline: Deadline,
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.tcp.set_read_timeout(Some(left(self.deadline)?))?;
            match self.tcp.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(Some(left(self.deadline)?))?;
        self.tcp.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

fn left(deadline: Deadline) -> io::Result<Duration> {
    deadline.left().map_err(|_| io::ErrorKind::TimedOut.into())
}

impl Stream {
    fn socket(&mut self) -> &mut Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &mut stream.sock,
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    fn has_decrypted_more(&mut self) -> Result<bool, Failure> {
        match self {
            Self::Plain(_) => Ok(false),
            Self::Tls(stream) => {
                let state = stream.conn.process_new_packets().map_err(Failure::Tls)?;
                Ok(state.plaintext_bytes_to_read() > 0)
            }
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

/// Ends after so many bytes, and keeps what the parser would lose of an error. It gives a line at most
/// at a time, so that the parser takes nothing that comes after the answers.
struct Bounded<'a> {
    stream: &'a mut Stream,
    /// What came, of which so many bytes were given.
    ahead: Vec<u8>,
    given: usize,
    left: u64,
    failure: Option<Failure>,
}

impl Bounded<'_> {
    /// Whether more came than was asked for.
    fn has_more(&mut self) -> Result<bool, Failure> {
        Ok(self.given < self.ahead.len() || self.stream.has_decrypted_more()?)
    }

    fn fill(&mut self) -> io::Result<()> {
        self.ahead.resize(CHUNK, 0);
        self.given = 0;
        let read = self.stream.read(&mut self.ahead);
        self.ahead.truncate(*read.as_ref().unwrap_or(&0));
        let read = read.inspect_err(|error| self.failure = Some(failure_of(error)))?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            self.failure = Some(Failure::not_redis());
            io::Error::from(io::ErrorKind::InvalidData)
        })?;
        Ok(())
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.ahead.len() {
            self.fill()?;
        }
        let rest = &self.ahead[self.given..];
        let line = rest.iter().position(|byte| *byte == b'\n');
        let length = line.map_or(rest.len(), |end| end + 1).min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.given += length;
        Ok(length)
    }
}

fn failure_of(error: &io::Error) -> Failure {
    match error.kind() {
        // The one on Unix, the other on Windows.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Failure::TimedOut,
        kind => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(error) => Failure::Tls(rustls::Error::clone(error)),
            None => Failure::Broken(kind.into()),
        },
    }
}

/// The first address of the host that accepts.
fn connect(endpoint: &Endpoint, deadline: Deadline) -> Result<TcpStream, Failure> {
    let mut last = Failure::UnknownHost(io::ErrorKind::NotFound.into());
    let addresses = resolve(endpoint, deadline)?;
    let count = addresses.len();
    for (tried, address) in addresses.into_iter().enumerate() {
        // The last gets all that is left, those before it a part.
        let left = deadline.left()? / (count - tried) as u32;
        match TcpStream::connect_timeout(&address, left.max(Duration::from_millis(1))) {
            Ok(socket) => {
                socket.set_nodelay(true).map_err(Failure::Connect)?;
                return Ok(socket);
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => last = Failure::TimedOut,
            Err(error) => last = Failure::Connect(error),
        }
    }
    Err(last)
}

/// On a thread of its own: a name server that hangs cannot be told to stop.
fn resolve(endpoint: &Endpoint, deadline: Deadline) -> Result<Vec<SocketAddr>, Failure> {
    if let Ok(address) = endpoint.host.parse() {
        return Ok(vec![SocketAddr::new(address, endpoint.port)]);
    }
    let (sender, receiver) = mpsc::channel();
    let (host, port) = (endpoint.host.clone(), endpoint.port);
    let resolver = move || {
        let found = (host.as_str(), port).to_socket_addrs();
        // Nobody listens any more if it took too long.
        let _ = sender.send(found.map(Iterator::collect));
    };
    thread::Builder::new()
        .name("logto-redis-resolve".into())
        .spawn(resolver)
        .map_err(Failure::Connect)?;
    let found: io::Result<Vec<_>> = receiver
        .recv_timeout(deadline.left()?)
        .map_err(|_| Failure::TimedOut)?;
    found.map_err(Failure::UnknownHost)
}
