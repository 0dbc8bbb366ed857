//! Several threads doing one thing at once.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use crate::measure::Work;

/// How much longer than other samples: threads take a while to get going.
const LONGER: u64 = 8;

/// All of them share the work: from the start of the first to the end of the last.
pub(crate) fn in_threads<W: FnMut() + Send + 'static>(works: impl Iterator<Item = W>) -> Work {
    let mut works: Vec<_> = works.collect();
    Box::new(move |iterations| {
        let each = (LONGER * iterations).div_ceil(works.len() as u64);
        let barrier = Barrier::new(works.len());
        let run = |work: &mut W| {
            barrier.wait();
            let started = Instant::now();
            (0..each).for_each(|_| work());
            (started, Instant::now())
        };
        let times: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = works
                .iter_mut()
                .map(|work| scope.spawn(|| run(work)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let started = times.iter().map(|(started, _)| started).min().unwrap();
        let ended = times.iter().map(|(_, ended)| ended).max().unwrap();
        let done = each * works.len() as u64;
        ended
            .duration_since(*started)
            .mul_f64(iterations as f64 / done as f64)
    })
}
