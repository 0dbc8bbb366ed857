//! A test of the crash test: it finds toy backends that lose what they have written when they are
//! killed.

#[path = "toys/durable.rs"]
mod durable;

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};

use logto_testing::contract::Fixture;
use logto_testing::contract::crash::{self, Moment};
use logto_testing::contract::processes;

use durable::{Fault, InDirectory};

/// What is killed at random is not found at once. Each takes far fewer.
const ROUNDS: u64 = 200;

const SEED: u64 = 7;

/// A kill needs the processor.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Does nothing unless another test started this process.
#[test]
fn plays_a_process() {
    processes::play::<InDirectory>();
}

#[test]
fn sound_toy_survives_and_is_looked_at_each_time() {
    let mut moments = Vec::new();
    run(Fault::None, 20, |_, moment| moments.push(moment));
    let mut expected = [Moment::Killed, Moment::Opened].repeat(20);
    expected.extend([Moment::Closed, Moment::Emptied]);
    assert_eq!(moments, expected);
}

#[test]
fn crash_finds_what_is_said_before_it_is_written() {
    finds(Fault::WritesLater, "and must be");
}

#[test]
fn crash_finds_what_is_written_in_parts() {
    finds(Fault::WritesInPlace, "EOF");
    finds(
        Fault::ReplacesInTwoSteps,
        "before it could say a replacement",
    );
}

#[test]
fn crash_finds_what_is_not_removed() {
    finds(Fault::RemovesNothing, "and must be absent");
}

#[test]
fn crash_finds_an_index_that_lags() {
    finds(Fault::IndexesAfterwards, "are found, and must be");
}

#[test]
fn crash_finds_a_process_that_fails() {
    finds(Fault::FailsAtTimes, "too long");
    finds(Fault::Ends, "process");
}

#[test]
fn crash_finds_what_a_look_finds() {
    let found = panic_of(|| run(Fault::None, 1, |_, _| panic!("{}", "seen")));
    assert_eq!(found.as_deref(), Some("seen"));
}

#[test]
fn crash_refuses_a_fixture_without_a_place() {
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
        ) -> Box<dyn logto_core::Storage> {
            unreachable!("there is nothing to open")
        }
    }

    let found = panic_of(|| crash::run_with::<Nowhere>(module_path!(), 1, SEED, |_, _| {}));
    assert!(found.is_some_and(|panic| panic.contains("`place`")));
}

fn run(fault: Fault, rounds: u64, look: impl FnMut(&InDirectory, Moment)) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    InDirectory::make_with(fault);
    crash::run_with(module_path!(), rounds, SEED, look);
}

#[track_caller]
fn finds(fault: Fault, says: &str) {
    let Some(found) = panic_of(|| run(fault, ROUNDS, |_, _| {})) else {
        panic!("{fault:?} is not found");
    };
    assert!(found.contains(says), "{fault:?} is found by: {found}");
}

fn panic_of(run: impl FnOnce()) -> Option<String> {
    let panic = panic::catch_unwind(AssertUnwindSafe(run)).err()?;
    let message = panic.downcast_ref::<String>().cloned();
    let message = message.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    Some(message.unwrap_or_default())
}
