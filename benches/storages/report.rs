//! One line for each row, of medians that were taken in turns.

use std::env;
use std::path::Path;
use std::time::Instant;

use crate::raw;
use crate::rows::{self, Row, Work};

/// How often what is too short for a clock is done between two looks at it.
const BATCH: u32 = 32;

pub(crate) fn print(directory: &Path) {
    let rounds = match (asked("--list"), asked("--bench")) {
        (true, _) => return,
        (false, true) => 500,
        (false, false) => 2,
    };
    let mut floor: Work = Box::new(raw::floor(directory));
    for row in rows::all(directory) {
        print_row(row, &mut floor, rounds);
    }
}

fn asked(option: &str) -> bool {
    env::args().any(|argument| argument == option)
}

fn print_row(row: Row, floor: &mut Work, rounds: usize) {
    let batch = if row.is_durable { 1 } else { BATCH };
    let [(_, mut ours), (_, mut raw)] = row.sides;
    let mut works = vec![&mut ours, &mut raw];
    if row.is_durable {
        works.push(floor);
    }
    let medians = in_turns(&mut works, batch, rounds);
    let (name, ours, raw) = (row.name.replace(' ', "_"), medians[0], medians[1]);
    let ratio = ours / raw;
    print!("row={name} ours_ns={ours:.0} raw_ns={raw:.0} ratio={ratio:.2}");
    match medians.get(2) {
        Some(floor) => println!(" floor_ns={floor:.0}"),
        None => println!(),
    }
}

/// The median of each, in nanoseconds.
fn in_turns(works: &mut [&mut Work], batch: u32, rounds: usize) -> Vec<f64> {
    let mut samples = vec![Vec::with_capacity(rounds); works.len()];
    for round in 0..rounds {
        // Not always after the same one.
        for n in 0..works.len() {
            let turn = match round % 2 {
                0 => n,
                _ => works.len() - 1 - n,
            };
            samples[turn].push(nanoseconds(works[turn], batch));
        }
    }
    samples.into_iter().map(median).collect()
}

fn nanoseconds(work: &mut Work, batch: u32) -> f64 {
    let started = Instant::now();
    for _ in 0..batch {
        work();
    }
    started.elapsed().as_secs_f64() * 1e9 / f64::from(batch)
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
