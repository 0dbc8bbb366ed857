//! How a program takes part: it is told what to do on its standard input, `<row> <iterations>` a line,
//! and answers each line with the nanoseconds that one iteration took, or with `-` where it has no
//! such row. `check <defect>` is answered by `accepted` or `refused`.

use std::io::{self, BufRead as _, Write as _};
use std::time::Instant;

/// What is done once; called for each iteration.
pub type Work = Box<dyn FnMut()>;

/// A program that takes part.
pub trait Worker {
    /// What one iteration of a row does, all that it needs having been made; `None` if there is no such row.
    fn prepare(&mut self, row: &str) -> Option<Work>;

    /// Whether a sign-in with this defect in its ID token is refused; an empty one is none.
    fn is_refused(&mut self, defect: &str) -> Option<bool>;
}

/// Does what it is told until there is nothing more.
pub fn run(mut worker: impl Worker) {
    let mut prepared: Vec<(String, Option<Work>)> = Vec::new();
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let (row, argument) = line.split_once(' ').unwrap_or((&line, ""));
        if row == "check" {
            say(match worker.is_refused(argument) {
                Some(true) => "refused".to_owned(),
                Some(false) => "accepted".to_owned(),
                None => "-".to_owned(),
            });
            continue;
        }
        if !prepared.iter().any(|(name, _)| name == row) {
            let work = worker.prepare(row);
            prepared.push((row.to_owned(), work));
        }
        let work = prepared.iter_mut().find(|(name, _)| name == row);
        let iterations = argument.parse().unwrap_or(1);
        say(match work.and_then(|(_, work)| work.as_mut()) {
            Some(work) => time(work, iterations).to_string(),
            None => "-".to_owned(),
        });
    }
}

fn time(work: &mut Work, iterations: u32) -> f64 {
    let started = Instant::now();
    for _ in 0..iterations {
        work();
    }
    started.elapsed().as_secs_f64() * 1e9 / f64::from(iterations)
}

fn say(answer: String) {
    println!("{answer}");
    io::stdout().flush().expect("the runner listens");
}

/// The value of a parameter of a URL whose value needs no decoding.
///
/// # Panics
///
/// If it is not there.
pub fn parameter<'a>(url: &'a str, name: &str) -> &'a str {
    let query = url.split_once('?').expect("a query").1;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(key, _)| *key == name)
        .expect("the parameter")
        .1
}
