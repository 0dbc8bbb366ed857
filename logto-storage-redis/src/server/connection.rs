//! One connection: bytes go out, replies come in, both until a deadline.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use redis::{Cmd, Parser, Pipeline, Value};

use crate::error::{Failure, Refusal};

use super::address::{Endpoint, Login};
use super::deadline::Deadline;
use super::tls::{Tls, TlsStream};

/// No answer to one call is larger: a session's values are small, and so is a page of `SCAN`.
const MAX_ANSWER: u64 = 64 << 20;

/// Commands as they are sent, and how many replies they have.
pub(super) struct Request {
    packed: Vec<u8>,
    replies: usize,
}

impl Request {
    pub(super) fn of(commands: &Pipeline) -> Self {
        Self {
            packed: commands.get_packed_pipeline(),
            replies: commands.len(),
        }
    }

    pub(super) fn one(command: &Cmd) -> Self {
        Self {
            packed: command.get_packed_command(),
            replies: 1,
        }
    }

    pub(super) fn and(mut self, command: &Cmd) -> Self {
        command.write_packed_command(&mut self.packed);
        self.replies += 1;
        self
    }

    /// With a command before it.
    pub(super) fn after(&self, command: &Cmd) -> Self {
        let mut packed = command.get_packed_command();
        packed.extend_from_slice(&self.packed);
        Self {
            packed,
            replies: self.replies + 1,
        }
    }
}

/// One connection, logged in. After an error other than a refusal it is of no more use.
pub(super) struct Connection {
    stream: Stream,
    parser: Parser,
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
        let mut connection = Self {
            stream,
            parser: Parser::new(),
        };
        connection.log_in(login, deadline)?;
        Ok(connection)
    }

    /// Sends all, then reads the reply of each. The first error among them is the answer.
    pub(super) fn call(
        &mut self,
        request: &Request,
        deadline: Deadline,
    ) -> Result<Vec<Value>, Failure> {
        self.stream.end_at(deadline);
        let sent = self.stream.send(&request.packed);
        sent.map_err(|error| failure_of(&error))?;
        let mut stream = Bounded {
            stream: &mut self.stream,
            left: MAX_ANSWER,
            failure: None,
        };
        let mut answers = Vec::with_capacity(request.replies);
        for _ in 0..request.replies {
            match self.parser.parse_value(&mut stream) {
                Ok(answer) => answers.push(answer),
                Err(error) if error.is_io_error() => {
                    let closed = || Failure::Broken(io::ErrorKind::UnexpectedEof.into());
                    return Err(stream.failure.unwrap_or_else(closed));
                }
                Err(_) => return Err(Failure::NotRedis),
            }
        }
        answers.into_iter().map(accepted).collect()
    }

    fn log_in(&mut self, login: &Login, deadline: Deadline) -> Result<(), Failure> {
        let mut commands = Pipeline::new();
        if let Some(password) = login.password() {
            let auth = commands.cmd("AUTH");
            if let Some(user) = login.user() {
                auth.arg(user);
            }
            auth.arg(password);
        }
        if login.database != 0 {
            commands.cmd("SELECT").arg(login.database);
        }
        match commands.is_empty() {
            true => Ok(()),
            false => self.call(&Request::of(&commands), deadline).map(drop),
        }
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
        self.tcp.set_read_timeout(left(self.deadline)?)?;
        self.tcp.read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(left(self.deadline)?)?;
        self.tcp.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

fn left(deadline: Deadline) -> io::Result<Option<Duration>> {
    deadline.left().map_err(|_| io::ErrorKind::TimedOut.into())
}

impl Stream {
    fn end_at(&mut self, deadline: Deadline) {
        match self {
            Self::Plain(socket) => socket.deadline = deadline,
            Self::Tls(stream) => stream.sock.deadline = deadline,
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
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

/// Ends after so many bytes, and keeps what the parser would lose of an error.
struct Bounded<'a> {
    stream: &'a mut Stream,
    left: u64,
    failure: Option<Failure>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.failure = Some(failure_of(error));
            }
        })?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            self.failure = Some(Failure::NotRedis);
            io::Error::from(io::ErrorKind::InvalidData)
        })?;
        Ok(read)
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
        let left = deadline.left()?.map(|left| left / (count - tried) as u32);
        let connected = match left {
            Some(left) => TcpStream::connect_timeout(&address, left.max(Duration::from_millis(1))),
            None => TcpStream::connect(address),
        };
        match connected {
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
    let found: io::Result<Vec<_>> = match deadline.left()? {
        Some(left) => receiver.recv_timeout(left).map_err(|_| Failure::TimedOut)?,
        None => receiver.recv().map_err(|_| Failure::TimedOut)?,
    };
    found.map_err(Failure::UnknownHost)
}
