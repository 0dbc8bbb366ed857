//! The storages by themselves, beside the libraries under them doing the same work.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use logto::SessionId;
use logto::storage::{Record, Storage};

use crate::measure::Sides;
use crate::raw::{self, Raw};
use crate::report::{Aim, Report};
use crate::stores::{self, Backend};
use crate::tokens::{MAP, Tokens};

pub(crate) fn rows(report: &mut Report) {
    for backend in Backend::ALL {
        for work in [Work::Load, Work::Save, Work::Lock] {
            let name = format!("storage_{}_{}", backend.name(), work.name());
            report.row(&name, "the library under it", Aim::None, || {
                sides(backend, work)
            });
        }
    }
}

#[derive(Clone, Copy)]
enum Work {
    Load,
    Save,
    Lock,
}

impl Work {
    fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Save => "save",
            Self::Lock => "lock_and_unlock",
        }
    }
}

fn sides(backend: Backend, work: Work) -> Sides {
    let directory = stores::directory();
    let storage = backend.store(directory.path());
    let path = |name: &str| directory.path().join(name);
    match backend {
        Backend::Memory => beside(storage, raw::Memory::default(), work),
        Backend::Sqlite => beside(storage, raw::Sqlite::open(&path("raw.db")), work),
        Backend::Sled => beside(storage, raw::Sled::open(&path("raw.sled")), work),
        Backend::File => beside(storage, raw::Files::open(&path("raw")), work),
    }
    .keeping(directory)
}

fn beside(storage: Arc<dyn Storage>, raw: impl Raw + 'static, work: Work) -> Sides {
    let session = SessionId::random().key();
    let (mut ours, mut bare) = (Tokens::with_map(MAP), Tokens::with_map(MAP));
    let first = Record::new(None, ours.next());
    storage.save(&session, &first, None).unwrap();
    raw.update(bare.next());
    match work {
        Work::Load => Sides::new(
            move || drop(black_box(storage.load(&session).unwrap())),
            move || drop(black_box(raw.get())),
        ),
        Work::Save => {
            let mut version = first.version();
            Sides::new(
                move || {
                    let record = Record::new(None, ours.next());
                    storage.save(&session, &record, Some(version)).unwrap();
                    version = record.version();
                },
                move || raw.update(bare.next()),
            )
        }
        Work::Lock => Sides::new(
            move || drop(storage.lock(&session, Duration::from_secs(1)).unwrap()),
            move || raw.lock_and_unlock(),
        ),
    }
}
