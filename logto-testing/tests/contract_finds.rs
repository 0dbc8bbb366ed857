//! A test of the tests: for each promise of the contract a toy backend that breaks it, on which the
//! check of the promise must fail.

#[path = "toys/durable.rs"]
#[allow(dead_code)]
mod durable;
#[path = "toys/memory.rs"]
mod memory;

use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

use logto_testing::contract::{self, Fixture, Stage, processes};

use durable::{Fault as D, InDirectory};
use memory::{Fault as F, InMemory};

/// Which faults a check must find. Others may find them too.
const FAULTS: &[(&str, &[F])] = &[
    (
        "record_comes_back_whole",
        &[F::LosesServerSessions, F::MakesVersions],
    ),
    (
        "record_data_is_any_utf_8",
        &[F::EndsAtNul, F::Trims, F::EmptyIsAbsent],
    ),
    (
        "record_data_is_up_to_a_mebibyte",
        &[F::SmallDataOnly, F::KeepsTheTail],
    ),
    ("record_is_never_seen_in_part", &[F::SavesInTwoSteps]),
    (
        "cas_expecting_none_conflicts_with_a_session",
        &[F::NoneOverwrites],
    ),
    (
        "cas_expecting_an_old_version_conflicts",
        &[F::ComparesPresenceOnly],
    ),
    (
        "cas_expecting_a_version_conflicts_with_none",
        &[F::AnyVersionCreates],
    ),
    (
        "cas_tells_a_remade_session_from_the_old_one",
        &[F::ComparesCounts],
    ),
    ("cas_conflict_changes_nothing", &[F::ConflictWrites]),
    ("cas_race_has_one_winner", &[F::ComparesThenSwaps]),
    (
        "cas_counts_of_threads_are_not_lost",
        &[F::ComparesThenSwaps],
    ),
    (
        "remove_ends_a_session",
        &[F::RemovesNothing, F::RemovesAll, F::RemoveKeepsOwners],
    ),
    (
        "remove_of_an_absent_session_is_no_error",
        &[F::MissesTheAbsent],
    ),
    (
        "replace_moves_a_session",
        &[F::ReplaceKeepsTheOld, F::ReplaceKeepsTheRecord],
    ),
    (
        "replace_of_no_session_makes_one",
        &[F::ReplaceOfNothingConflicts],
    ),
    (
        "replace_of_another_version_is_a_conflict",
        &[F::ReplaceNeverCompares],
    ),
    (
        "replace_by_a_used_session_is_a_conflict",
        &[F::ReplaceOverwrites],
    ),
    ("replace_race_has_one_winner", &[F::ReplacesInTwoSteps]),
    ("session_is_apart_from_all_others", &[F::TruncatesKeys]),
    ("session_only_is_apart_from_all_others", &[F::OnlyIsHidden]),
    ("threads_use_their_sessions_at_once", &[F::BusyAmongThreads]),
    (
        "debug_shows_neither_data_nor_keys",
        &[F::ShowsData, F::ShowsKeys],
    ),
    ("reopened_storage_has_all", &[F::ForgetsWhenClosed]),
    ("idle_session_lives_for_its_lifetime", &[F::ExpiresEarly]),
    ("idle_session_is_absent_on_read", &[F::LoadsTheExpired]),
    ("idle_session_is_absent_to_a_save", &[F::SaveSeesTheExpired]),
    (
        "idle_session_is_absent_to_a_replacement",
        &[F::ReplaceSeesTheExpired],
    ),
    ("idle_session_is_not_found", &[F::FindsTheExpired]),
    ("idle_session_is_not_visited", &[F::VisitsTheExpired]),
    (
        "idle_session_is_renewed_by_a_load",
        &[F::LoadsAreNoUse, F::LoadsChangeVersions],
    ),
    (
        "idle_session_is_renewed_by_frequent_loads",
        &[F::NotesLoadsLate],
    ),
    ("idle_session_is_renewed_by_a_save", &[F::SavesAreNoUse]),
    (
        "idle_session_is_not_renewed_by_a_search",
        &[F::FindingIsUse, F::VisitingIsUse],
    ),
    ("idle_lifetime_may_be_endless", &[F::EndlessIsShort]),
    (
        "purge_counts_the_expired_and_leaves_the_living",
        &[F::PurgeFreesNothing, F::PurgeFreesAll, F::PurgeCountsAll],
    ),
    (
        "find_by_user_and_by_server_session",
        &[F::FindsNothing, F::FindsUsersOnly],
    ),
    ("find_all_sessions_of_a_user", &[F::FindsOne, F::FindsAll]),
    (
        "find_follows_a_save",
        &[F::KeepsFormerOwners, F::KeepsTheFirstOwner],
    ),
    ("find_follows_a_replacement", &[F::ReplaceKeepsOwners]),
    ("find_never_lags_behind_saves", &[F::IndexLags]),
    (
        "for_each_visits_every_session_once",
        &[
            F::LocksMakeSessions,
            F::VisitsNothing,
            F::VisitsOnePage,
            F::VisitsTwice,
        ],
    ),
    (
        "for_each_lets_a_visit_use_the_storage",
        &[F::VisitsUnderTheMutex],
    ),
    ("for_each_visits_what_stays_once", &[F::VisitsPagesByNumber]),
    (
        "for_each_stops_at_an_error",
        &[F::VisitsAfterErrors, F::SwallowsErrors],
    ),
    ("lock_excludes_other_threads", &[F::NoLock]),
    (
        "lock_is_waited_for_until_the_timeout",
        &[F::LockDoesNotWait, F::LockWaitsTooLong, F::LockConflicts],
    ),
    (
        "lock_is_released_on_drop_and_on_panic",
        &[F::KeepsTheLock, F::KeepsTheLockOfThePanicked],
    ),
    (
        "lock_blocks_no_loads_and_saves",
        &[F::LoadsTakeTheLock, F::SavesTakeTheLock],
    ),
    (
        "lock_excludes_another_storage_over_the_place",
        &[F::LocksByStorage],
    ),
    (
        "shared_place_has_the_same_sessions",
        &[F::ForgetsWhenClosed],
    ),
    ("shared_place_has_one_winner", &[F::ComparesThenSwaps]),
];

const FAULTS_AMONG_PROCESSES: &[(&str, &[D])] = &[
    ("processes_have_the_same_sessions", &[D::RecordsByProcess]),
    ("processes_lose_no_count", &[D::WritesWithoutLock]),
    ("lock_excludes_other_processes", &[D::LocksByProcess]),
    (
        "lock_is_released_when_its_process_is_killed",
        &[D::LocksOutlive],
    ),
];

/// Does nothing unless another test started this process.
#[test]
fn plays_a_process() {
    processes::play::<InDirectory>();
}

#[test]
fn sound_toy_fails_nowhere() {
    be_silent();
    for (check, _) in FAULTS {
        assert_eq!(failure::<InMemory>(check), None, "{check} fails");
    }
    // Checks of what it cannot do have to pass too.
    for (check, _) in contract::all::<InDirectory>() {
        assert_eq!(failure::<InDirectory>(check), None, "{check} fails");
    }
}

#[test]
fn each_fault_is_found() {
    be_silent();
    // The checks mostly wait.
    thread::scope(|scope| {
        for (check, faults) in FAULTS {
            for fault in *faults {
                scope.spawn(move || {
                    InMemory::make_with(*fault);
                    let found = failure::<InMemory>(check);
                    assert!(found.is_some(), "{check} does not find {fault:?}");
                });
            }
        }
    });
}

#[test]
fn each_fault_among_processes_is_found() {
    be_silent();
    for (check, faults) in FAULTS_AMONG_PROCESSES {
        for fault in *faults {
            InDirectory::make_with(*fault);
            let found = failure::<InDirectory>(check);
            assert!(found.is_some(), "{check} does not find {fault:?}");
        }
    }
}

#[test]
fn each_check_has_a_fault_to_find() {
    let names = FAULTS.iter().map(|(check, _)| *check);
    let names = names.chain(FAULTS_AMONG_PROCESSES.iter().map(|(check, _)| *check));
    let expected = contract::all::<InMemory>()
        .into_iter()
        .map(|(name, _)| name);
    assert_eq!(names.collect::<BTreeSet<_>>(), expected.collect());
}

#[test]
fn each_check_is_in_the_list() {
    let sources = [
        include_str!("../src/contract/records.rs"),
        include_str!("../src/contract/idle.rs"),
        include_str!("../src/contract/search.rs"),
        include_str!("../src/contract/lock.rs"),
    ];
    let checks = sources.map(|source| source.matches("\npub fn ").count());
    assert_eq!(
        checks.iter().sum::<usize>(),
        contract::all::<InMemory>().len()
    );
}

/// What a check says of a toy.
fn failure<X: Fixture>(name: &str) -> Option<String> {
    let checks = contract::all::<X>();
    let (_, check) = checks.into_iter().find(|(found, _)| *found == name)?;
    let run = || check(&Stage::new(module_path!()));
    let panic = panic::catch_unwind(AssertUnwindSafe(run)).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    Some(text.unwrap_or_else(|| "a panic".to_owned()))
}

/// Panics are expected here, and a failed test says what it found.
fn be_silent() {
    panic::set_hook(Box::new(|panic| {
        if panic
            .location()
            .is_some_and(|at| at.file().contains("contract_finds"))
        {
            eprintln!("{panic}");
        }
    }));
}
