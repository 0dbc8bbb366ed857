//! A test of the crash test: it finds toy backends that lose what they have written when they are
//! killed.

#[path = "toys/durable.rs"]
mod durable;

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};

use logto_testing::contract::Fixture;
use logto_testing::contract::crash::{self, Moment};
use logto_testing::contract::processes;

use durable::{Durable, Flaw};

/// What is killed at random is not found at once. Each takes far fewer.
const ROUNDS: u64 = 200;

const SEED: u64 = 7;

/// A kill needs the processor.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Does nothing unless another test started this process.
#[test]
fn plays_a_process() {
    processes::play::<Durable>();
}

#[test]
fn a_sound_toy_survives_and_is_looked_at_each_time() {
    let mut moments = Vec::new();
    run(Flaw::None, 20, |toy, moment| {
        // A killed process may leave files that it has not renamed, but that is all.
        assert!(moment != Moment::Emptied || toy.files() <= 12);
        moments.push(moment);
    });
    let mut expected = [Moment::Killed, Moment::Opened].repeat(20);
    expected.extend([Moment::Closed, Moment::Emptied]);
    assert_eq!(moments, expected);
}

#[test]
fn what_is_said_before_it_is_written_is_found() {
    finds(Flaw::WritesLater, "and must be");
}

#[test]
fn what_is_written_in_parts_is_found() {
    finds(Flaw::WritesKeyByKey, "before it could say an update");
    finds(Flaw::WritesInPlace, "InvalidData");
    finds(Flaw::RenamesByCopying, "before it could say a rename");
}

#[test]
fn what_is_not_removed_is_found() {
    finds(Flaw::RemovesNothing, "and must be absent");
}

#[test]
fn what_a_session_is_found_by_is_written_with_it() {
    finds(Flaw::NotesOwnersAfterwards, "are found, and must be");
}

#[test]
fn a_process_that_fails_is_found() {
    finds(Flaw::FailsAtTimes, "too few changes");
    finds(Flaw::Ends, "process");
}

#[test]
fn what_a_look_finds_is_found() {
    let found = panic_of(|| run(Flaw::None, 1, |_, _| panic!("{}", "seen")));
    assert_eq!(found.as_deref(), Some("seen"));
}

#[test]
fn a_fixture_without_a_place_is_refused() {
    struct Nowhere;

    impl Fixture for Nowhere {
        const PERSISTENT: bool = true;

        fn new() -> Self {
            Self
        }

        fn open(
            &self,
            _: std::time::Duration,
            _: logto_testing::TestClock,
        ) -> Box<dyn logto_core::SessionStore> {
            unreachable!("there is nothing to open")
        }
    }

    let found = panic_of(|| crash::run_with::<Nowhere>(module_path!(), 1, SEED, |_, _| {}));
    assert!(found.is_some_and(|panic| panic.contains("`place`")));
}

fn run(flaw: Flaw, rounds: u64, look: impl FnMut(&Durable, Moment)) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    Durable::make_with(flaw);
    crash::run_with(module_path!(), rounds, SEED, look);
}

#[track_caller]
fn finds(flaw: Flaw, says: &str) {
    let Some(found) = panic_of(|| run(flaw, ROUNDS, |_, _| {})) else {
        panic!("{flaw:?} is not found");
    };
    assert!(found.contains(says), "{flaw:?} is found by: {found}");
}

fn panic_of(run: impl FnOnce()) -> Option<String> {
    let panic = panic::catch_unwind(AssertUnwindSafe(run)).err()?;
    let message = panic.downcast_ref::<String>().cloned();
    let message = message.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    Some(message.unwrap_or_default())
}
