//! The picture of the fake server's user, at an address of this machine.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const PNG: &[u8] = include_bytes!("alice.png");

pub struct DemoPicture {
    address: SocketAddr,
}

impl DemoPicture {
    pub fn serve() -> io::Result<Self> {
        Self::serve_bytes(PNG.to_vec())
    }

    /// Answers every request with these bytes, for as long as this process runs.
    pub fn serve_bytes(bytes: Vec<u8>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever has gone does not want it.
                let _ = answer(stream, &bytes);
            }
        });
        Ok(Self { address })
    }

    pub fn url(&self) -> String {
        format!("http://{}/alice.png", self.address)
    }
}

fn answer(mut stream: TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.set_write_timeout(Some(Duration::from_secs(2)))?;
    let mut head = [0; 4096];
    let _ = stream.read(&mut head)?;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        bytes.len()
    )?;
    stream.write_all(bytes)
}
