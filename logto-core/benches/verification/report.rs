//! One line for each algorithm, of medians that were taken in turns.

use std::env;
use std::time::Instant;

use crate::{Work, rows};

/// How often each is done between two looks at the clock.
const BATCH: u32 = 8;

pub(crate) fn print() {
    let rounds = match (asked("--list"), asked("--bench")) {
        (true, _) => return,
        (false, true) => 2000,
        (false, false) => 2,
    };
    for mut row in rows() {
        let (ours, raw) = in_turns(&mut row.ours, &mut row.raw, rounds);
        let (name, ratio, more) = (row.name.replace(' ', "_"), ours / raw, ours - raw);
        println!("row={name} ours_us={ours:.1} raw_us={raw:.1} ratio={ratio:.3} more_us={more:.1}");
    }
}

fn asked(option: &str) -> bool {
    env::args().any(|argument| argument == option)
}

/// The median of each, in microseconds.
fn in_turns(ours: &mut Work, raw: &mut Work, rounds: usize) -> (f64, f64) {
    let mut samples = [Vec::with_capacity(rounds), Vec::with_capacity(rounds)];
    for round in 0..rounds {
        // Not always after the same one.
        for turn in [round % 2, 1 - round % 2] {
            let work = if turn == 0 { &mut *ours } else { &mut *raw };
            samples[turn].push(microseconds(work));
        }
    }
    let [ours, raw] = samples.map(median);
    (ours, raw)
}

fn microseconds(work: &mut Work) -> f64 {
    let started = Instant::now();
    for _ in 0..BATCH {
        work();
    }
    started.elapsed().as_secs_f64() * 1e6 / f64::from(BATCH)
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
