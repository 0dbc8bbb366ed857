//! What an operation costs where several threads do it at once: the time of all, by the number of all.

use std::hint::black_box;

use logto::SessionId;
use logto::storage::Record;

use crate::access_tokens::{logto, resource, signed_in};
use crate::in_threads::in_threads;
use crate::measure::Sides;
use crate::report::{Aim, Report};
use crate::stores::{Backend, Pair};
use crate::tokens::{MAP, Tokens};

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
        move || drop(black_box(bare.get()))
    }));
    Sides::timed(ours, floor)
}

/// Each thread has a session of its own with ours. The bare library has one for all, which is no dearer.
fn updates(threads: usize) -> Sides {
    let pair = Pair::with(Backend::Sqlite, &signed_in(1));
    let ours = in_threads((0..threads).map(|_| {
        let (storage, session) = (pair.store.clone(), SessionId::random().key());
        let (mut values, mut version) = (Tokens::with_map(MAP), None);
        move || {
            let record = Record::new(None, values.next());
            storage.save(&session, &record, version).unwrap();
            version = Some(record.version());
        }
    }));
    let floor = in_threads((0..threads).map(|_| {
        let (bare, mut values) = (pair.bare.another(), Tokens::with_map(MAP));
        move || bare.update(values.next())
    }));
    Sides::timed(ours, floor)
}
