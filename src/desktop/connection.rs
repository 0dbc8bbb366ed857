//! One connection, which never blocks.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::request::{Expected, LONGEST_HEAD, Reading};

/// How long a request may take to arrive.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// How long a response may take to be read.
const RESPOND_WITHIN: Duration = Duration::from_secs(2);

/// How much is read at a time.
const CHUNK: usize = 16 * 1024;

/// How many chunks of what nobody asked for are read at once before the other connections have their turn.
const CHUNKS_AT_ONCE: usize = 16;

pub(super) struct Connection {
    stream: TcpStream,
    state: State,
    since: Instant,
    deadline: Instant,
}

enum State {
    Reading(Vec<u8>),
    Writing {
        response: Vec<u8>,
        sent: usize,
    },
    /// The response is sent. Closing while more of the request is on the way would destroy it.
    Draining,
    Closed,
}

impl Connection {
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let since = Instant::now();
        Ok(Self {
            stream,
            state: State::Reading(Vec::new()),
            since,
            deadline: since + READ_WITHIN,
        })
    }

    /// For how long it has been open.
    pub fn age(&self) -> Duration {
        self.since.elapsed()
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Goes on as far as it can without waiting. What it tells of the request needs a response.
    pub fn advance(&mut self, expected: &Expected) -> Option<Reading> {
        if Instant::now() >= self.deadline {
            self.state = State::Closed;
        }
        match self.state {
            State::Reading(_) => self.read(expected),
            _ => {
                self.send();
                None
            }
        }
    }

    /// Begins to respond.
    pub fn respond(&mut self, response: Vec<u8>) {
        self.state = State::Writing { response, sent: 0 };
        self.deadline = Instant::now() + RESPOND_WITHIN;
        self.send();
    }

    /// Responds, and waits until the other side has read the response or closed the connection.
    pub fn finish(mut self, response: Vec<u8>) {
        self.respond(response);
        while !self.is_closed() && Instant::now() < self.deadline {
            thread::sleep(Duration::from_millis(1));
            self.send();
        }
    }

    fn read(&mut self, expected: &Expected) -> Option<Reading> {
        let State::Reading(head) = &mut self.state else {
            return None;
        };
        let mut chunk = [0; CHUNK];
        let room = LONGEST_HEAD.saturating_sub(head.len()).min(CHUNK);
        match self.stream.read(&mut chunk[..room]) {
            Ok(0) => {
                self.state = State::Closed;
                None
            }
            Ok(length) => {
                head.extend_from_slice(&chunk[..length]);
                Some(expected.read(head)).filter(|reading| *reading != Reading::Incomplete)
            }
            Err(error) => {
                self.give_up_unless_slow(&error);
                None
            }
        }
    }

    fn send(&mut self) {
        while let State::Writing { response, sent } = &mut self.state {
            match self.stream.write(&response[*sent..]) {
                Ok(0) => self.state = State::Closed,
                Ok(length) if *sent + length == response.len() => self.drain(),
                Ok(length) => *sent += length,
                Err(error) => return self.give_up_unless_slow(&error),
            }
        }
        self.discard();
    }

    fn drain(&mut self) {
        self.state = match self.stream.shutdown(Shutdown::Write) {
            Ok(()) => State::Draining,
            Err(_) => State::Closed,
        };
    }

    fn discard(&mut self) {
        let mut ignored = [0; CHUNK];
        for _ in 0..CHUNKS_AT_ONCE {
            if !matches!(self.state, State::Draining) {
                return;
            }
            match self.stream.read(&mut ignored) {
                Ok(0) => self.state = State::Closed,
                Ok(_) => {}
                Err(error) => return self.give_up_unless_slow(&error),
            }
        }
    }

    fn give_up_unless_slow(&mut self, error: &io::Error) {
        let is_slow = matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
        );
        if !is_slow {
            self.state = State::Closed;
        }
    }
}
