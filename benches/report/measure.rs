//! Ours and the floor, measured in turns, so that a noisy moment hits both.

use std::time::{Duration, Instant};

/// How long one side of a round shall take.
const SAMPLE: Duration = Duration::from_millis(1);

const MOST_ITERATIONS: u64 = 1_000_000;

/// Done so often, it has taken so long.
pub(crate) type Work = Box<dyn FnMut(u64) -> Duration>;

/// What is compared: the same work, by ours and by what nobody can do without.
pub(crate) struct Sides {
    ours: Work,
    floor: Work,
}

/// What a call took in each round, in nanoseconds: ours and the floor.
#[derive(Default)]
pub(crate) struct Samples(Vec<[f64; 2]>);

/// Medians over all rounds.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) ours_ns: f64,
    pub(crate) floor_ns: f64,
    /// Of the rounds' own ratios: what a machine does to a round it does to both sides.
    pub(crate) ratio: f64,
    /// Of the rounds' own differences.
    pub(crate) over_ns: f64,
}

impl Sides {
    pub(crate) fn new(ours: impl FnMut() + 'static, floor: impl FnMut() + 'static) -> Self {
        Self::timed(repeated(ours), repeated(floor))
    }

    pub(crate) fn timed(ours: Work, floor: Work) -> Self {
        Self { ours, floor }
    }

    /// Keeps this, such as the directory that both work in, for as long as they are measured.
    pub(crate) fn keeping<T: 'static>(self, kept: T) -> Self {
        let Self { mut ours, floor } = self;
        let ours = Box::new(move |iterations| {
            let _ = &kept;
            ours(iterations)
        });
        Self { ours, floor }
    }

    pub(crate) fn measure(mut self, rounds: usize) -> Samples {
        let counts = [iterations(&mut self.ours), iterations(&mut self.floor)];
        let mut samples = Vec::with_capacity(rounds);
        for round in 0..rounds {
            let mut pair = [0.0; 2];
            // Not always after the same one.
            for turn in [round % 2, 1 - round % 2] {
                let work = [&mut self.ours, &mut self.floor][turn].as_mut();
                pair[turn] = work(counts[turn]).as_secs_f64() * 1e9 / counts[turn] as f64;
            }
            samples.push(pair);
        }
        Samples(samples)
    }
}

impl Samples {
    pub(crate) fn add(&mut self, others: Samples) {
        self.0.extend(others.0);
    }

    pub(crate) fn medians(&self) -> Measured {
        let median_of = |of: fn(&[f64; 2]) -> f64| median(self.0.iter().map(of).collect());
        Measured {
            ours_ns: median_of(|pair| pair[0]),
            floor_ns: median_of(|pair| pair[1]),
            ratio: median_of(|pair| pair[0] / pair[1]),
            over_ns: median_of(|pair| pair[0] - pair[1]),
        }
    }
}

/// Without a look at the clock in between.
pub(crate) fn repeated(mut work: impl FnMut() + 'static) -> Work {
    Box::new(move |iterations| {
        let started = Instant::now();
        for _ in 0..iterations {
            work();
        }
        started.elapsed()
    })
}

/// Each time with something new, whose making does not count.
pub(crate) fn prepared<T>(
    mut prepare: impl FnMut() -> T + 'static,
    mut work: impl FnMut(T) + 'static,
) -> Work {
    Box::new(move |iterations| {
        let mut elapsed = Duration::ZERO;
        for _ in 0..iterations {
            let input = prepare();
            let started = Instant::now();
            work(input);
            elapsed += started.elapsed();
        }
        elapsed
    })
}

/// How often fits into a sample. The calls that find it out warm the work up.
fn iterations(work: &mut Work) -> u64 {
    let mut count = 1;
    loop {
        let elapsed = work(count).max(Duration::from_nanos(1));
        let fitting = SAMPLE.as_nanos() * u128::from(count) / elapsed.as_nanos();
        let fitting = (fitting as u64).clamp(1, MOST_ITERATIONS);
        if fitting <= count.saturating_mul(2) {
            return fitting;
        }
        count = fitting.min(count.saturating_mul(10));
    }
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
