//! The server that all are measured against: as much of a Logto as a sign-in needs, and as little work
//! for each answer as there can be. It prints its port, and ends with its standard input.

mod http;
mod keys;
mod provider;

use std::io::{self, BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use self::provider::Provider;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let provider = Arc::new(Provider::new(port));
    println!("{port}");
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    for stream in listener.incoming() {
        let (stream, provider) = (stream?, Arc::clone(&provider));
        // Whoever hangs up is done.
        thread::spawn(move || serve(stream, &provider).ok());
    }
    Ok(())
}

fn serve(stream: TcpStream, provider: &Provider) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut is_new = true;
    while let Some(request) = http::read(&mut reader)? {
        let answer = provider.answer(&request, is_new);
        is_new &= request.path == provider::COUNTERS;
        http::write(&stream, &answer)?;
    }
    Ok(())
}
