//! What an operation costs where several threads do it at once: the time of all, by the number of all.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use logto::SessionId;
use logto::storage::PersistKey;

use crate::access_tokens::{logto, resource, signed_in};
use crate::measure::{Sides, Work};
use crate::report::{Aim, Report};
use crate::stores::{Backend, Pair};
use crate::tokens::{self, MAP, Tokens};

const THREADS: [usize; 4] = [1, 2, 4, 8];

pub(crate) fn rows(report: &mut Report) {
    for threads in THREADS {
        for backend in Backend::ALL {
            let name = format!("threads/{threads}/access_token/{}", backend.name());
            report.row(&name, backend.floor(), Aim::None, || {
                reads(backend, threads)
            });
        }
        let name = format!("threads/{threads}/update/sqlite");
        let floor = "a bare durable transaction by rusqlite";
        report.row(&name, floor, Aim::None, || updates(threads));
    }
}

/// All threads ask one client, as they do in a program with one user, and the bare library the same session.
fn reads(backend: Backend, threads: usize) -> Sides {
    let pair = Pair::with(backend, &signed_in(1));
    let client = logto().session(&pair.store, &pair.id);
    let ours = (0..threads).map(|_| {
        let (client, resource) = (client.clone(), resource(0));
        move || drop(black_box(client.access_token(&resource).unwrap().unwrap()))
    });
    let ours = in_threads(ours);
    let floor = in_threads((0..threads).map(|_| {
        let bare = pair.bare.another();
        move || drop(black_box(bare.get(PersistKey::AccessTokenMap)))
    }));
    Sides::timed(ours, floor)
}

/// Each thread has a session of its own with ours. The bare library has one for all, which is no dearer.
fn updates(threads: usize) -> Sides {
    let pair = Pair::with(Backend::Sqlite, &signed_in(1));
    let ours = in_threads((0..threads).map(|_| {
        let storage = pair.store.session(&SessionId::random());
        let mut values = Tokens::with_map(MAP);
        move || storage.update(&tokens::changes(values.next())).unwrap()
    }));
    let floor = in_threads((0..threads).map(|_| {
        let (bare, mut values) = (pair.bare.another(), Tokens::with_map(MAP));
        move || bare.update(values.next())
    }));
    Sides::timed(ours, floor)
}

/// How much longer than other samples: threads take a while to get going.
const LONGER: u64 = 8;

/// From the start of the first to the end of the last.
fn in_threads<W: FnMut() + Send + 'static>(works: impl Iterator<Item = W>) -> Work {
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
