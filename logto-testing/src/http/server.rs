//! The listener, and the threads of its connections.

use std::collections::HashMap;
use std::fmt::Debug;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use super::connection::serve;
use super::stop::Stop;
use super::{Reply, Request};

/// What answers the requests.
pub(crate) trait Handler: Send + Sync {
    fn answer(&self, request: &Request) -> Reply;

    fn now(&self) -> SystemTime;
}

/// A server on a loopback port, a thread a connection. It stops when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

pub(super) struct Shared {
    pub(super) handler: Arc<dyn Handler>,
    pub(super) keep_alive: Duration,
    pub(super) stop: Stop,
    accepted: AtomicU64,
    /// The open ones, so that they can be closed from another thread.
    open: Mutex<HashMap<u64, Open>>,
}

struct Open {
    stream: TcpStream,
    thread: Option<JoinHandle<()>>,
}

/// Closes a connection when its thread ends, by a panic in a hook of the test too.
struct Ending {
    shared: Arc<Shared>,
    stream: TcpStream,
    id: u64,
}

/// A port that is ours, where nobody is answered yet.
pub(crate) fn bind(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

impl Server {
    pub(crate) fn start(
        listener: TcpListener,
        handler: Arc<dyn Handler>,
        keep_alive: Duration,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            handler,
            keep_alive,
            stop: Stop::default(),
            accepted: AtomicU64::new(0),
            open: Mutex::default(),
        });
        let acceptor = thread::Builder::new()
            .name("fake-logto".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || accept(&listener, &shared)
            })?;
        Ok(Self {
            address,
            shared,
            acceptor: Some(acceptor),
        })
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Closes the connections that are open.
    pub(crate) fn close_connections(&self) {
        for open in self.shared.open().values() {
            // It may be closed already.
            let _ = open.stream.shutdown(Shutdown::Both);
        }
    }

    fn stop(&mut self) {
        self.shared.stop.stop();
        // Wakes the acceptor, which sees the flag then.
        if TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_ok()
            && let Some(acceptor) = self.acceptor.take()
        {
            let _ = acceptor.join();
        }
        self.close_connections();
        let threads: Vec<_> = self
            .shared
            .open()
            .values_mut()
            .filter_map(|open| open.thread.take())
            .collect();
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Debug for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        // It may be closed already.
        let _ = self.stream.shutdown(Shutdown::Both);
        self.shared.open().remove(&self.id);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stop.is_stopped() {
            return;
        }
        match stream.and_then(|stream| begin(stream, shared)) {
            Ok(()) => {}
            Err(error) => {
                log::warn!("a connection can't be served: {error}");
                shared.stop.sleep(Duration::from_millis(10));
            }
        }
    }
}

fn begin(stream: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    // Answers are small, and go out in one piece.
    stream.set_nodelay(true)?;
    let id = shared.accepted.fetch_add(1, Ordering::SeqCst) + 1;
    let handle = stream.try_clone()?;
    // Held until the entry is there, so that a thread that ends at once finds it to remove.
    let mut open = shared.open();
    let thread = thread::Builder::new()
        .name(format!("fake-logto-{id}"))
        .spawn({
            let shared = Arc::clone(shared);
            move || {
                let ending = Ending { shared, stream, id };
                serve(&ending.shared, &ending.stream, id);
            }
        })?;
    open.insert(
        id,
        Open {
            stream: handle,
            thread: Some(thread),
        },
    );
    Ok(())
}
