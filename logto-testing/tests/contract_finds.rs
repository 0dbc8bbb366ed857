//! A test of the tests: for each promise of the contract a toy backend that breaks it, on which the
//! check of the promise must fail.

mod toys;

use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

use logto_core::SessionId;
use logto_testing::TestClock;
use logto_testing::contract::{
    Fixture as _, all_sessions, owners, processes, session_store, storage,
};

use toys::files::{Files, ProcessFlaw};
use toys::memory::{Flaw, Toy};

/// Which checks must find which flaw. They may be found by others too.
const FLAWS: &[(Flaw, &[&str])] = &[
    (Flaw::StartsFull, &["a_value_is_absent_at_first"]),
    (Flaw::OneValueForAllKeys, &["every_key_has_its_own_value"]),
    (Flaw::KeepsTheTail, &["a_value_replaces_the_one_before"]),
    (Flaw::RemovesNothing, &["a_removed_value_is_absent"]),
    (Flaw::RemovesAll, &["a_removed_value_is_absent"]),
    (
        Flaw::MissesWhatIsAbsent,
        &["removing_what_is_absent_is_no_error"],
    ),
    (Flaw::EmptyIsAbsent, &["an_empty_value_is_not_absent"]),
    (Flaw::EndsAtNul, &["any_unicode_comes_back"]),
    (Flaw::Trims, &["any_unicode_comes_back"]),
    (Flaw::SmallValuesOnly, &["a_mebibyte_comes_back"]),
    (Flaw::UpdatesOneKey, &["an_update_makes_all_its_changes"]),
    (
        Flaw::UpdateReplacesAll,
        &[
            "an_update_makes_all_its_changes",
            "an_empty_update_changes_nothing",
        ],
    ),
    (
        Flaw::FirstChangeCounts,
        &["the_last_change_of_a_key_counts"],
    ),
    (
        Flaw::RefusesEmptyUpdates,
        &["an_empty_update_changes_nothing"],
    ),
    (Flaw::UpdatesStepByStep, &["nobody_sees_half_an_update"]),
    (
        Flaw::UnsyncedIsUnseen,
        &["an_unsynced_update_is_seen_at_once"],
    ),
    (
        Flaw::ReplaceMerges,
        &[
            "a_replacement_leaves_what_it_wrote_and_nothing_else",
            "a_replacement_by_itself_starts_empty",
        ],
    ),
    (
        Flaw::ReplaceKeepsTheOld,
        &["a_replacement_leaves_what_it_wrote_and_nothing_else"],
    ),
    (
        Flaw::ReplaceToItselfRemoves,
        &["a_replacement_by_itself_starts_empty"],
    ),
    (Flaw::ReplaceTakesTheLock, &["a_replacement_takes_no_lock"]),
    (
        Flaw::ReplaceKeepsFormerOwners,
        &["a_replaced_session_is_found_by_its_new_owner_only"],
    ),
    (
        Flaw::WritesInTwoSteps,
        &["many_threads_set_and_get_at_once"],
    ),
    (
        Flaw::BusyAmongThreads,
        &[
            "many_threads_set_and_get_at_once",
            "many_threads_use_their_sessions_at_once",
        ],
    ),
    (
        Flaw::NoLock,
        &[
            "a_lock_excludes_other_threads",
            "a_lock_that_is_held_is_busy_in_time",
            "nothing_counted_under_the_lock_is_lost",
            "handles_of_one_session_share_it",
        ],
    ),
    (
        Flaw::LocksByHandle,
        &[
            "handles_of_one_session_share_it",
            "the_default_session_is_one",
        ],
    ),
    (
        Flaw::WrongKindOfBusy,
        &["a_lock_that_is_held_is_busy_in_time"],
    ),
    (Flaw::WaitsTooLong, &["a_lock_that_is_held_is_busy_in_time"]),
    (Flaw::DoesNotWait, &["a_lock_is_waited_for"]),
    (
        Flaw::KeepsTheLock,
        &[
            "a_lock_is_released_on_drop",
            "a_last_write_under_a_lock_is_kept_and_the_lock_is_free_after_it",
            "a_write_under_a_lock_to_write_is_kept_and_the_lock_is_free_after_it",
        ],
    ),
    (
        Flaw::LosesTheLastWrite,
        &[
            "a_last_write_under_a_lock_is_kept_and_the_lock_is_free_after_it",
            "a_write_under_a_lock_to_write_is_kept_and_the_lock_is_free_after_it",
        ],
    ),
    (
        Flaw::LockToWriteExcludesNobody,
        &["nothing_counted_under_the_lock_is_lost"],
    ),
    (
        Flaw::WritesInConflict,
        &["a_write_that_is_a_conflict_changes_nothing"],
    ),
    (
        Flaw::KeepsTheLockOfThePanicked,
        &["a_lock_is_released_when_its_holder_panics"],
    ),
    (
        Flaw::WritesTakeTheLock,
        &["a_lock_blocks_no_reads_and_writes"],
    ),
    (
        Flaw::ReadsTakeTheLock,
        &["a_lock_blocks_no_reads_and_writes"],
    ),
    (
        Flaw::ShowsValues,
        &["debug_shows_no_value", "debug_shows_neither_values_nor_ids"],
    ),
    (Flaw::OneSession, &["sessions_do_not_see_each_other"]),
    (
        Flaw::ValuesByHandle,
        &[
            "handles_of_one_session_share_it",
            "the_default_session_is_one",
        ],
    ),
    (
        Flaw::ForgetsWhenClosed,
        &[
            "values_are_there_after_reopening",
            "stores_over_one_place_share_sessions",
        ],
    ),
    (Flaw::RenameCopies, &["a_rename_moves_all_values"]),
    (Flaw::RenameMovesOneValue, &["a_rename_moves_all_values"]),
    (Flaw::RenameMerges, &["a_rename_replaces_what_was_there"]),
    (
        Flaw::RenameOfNothingRemoves,
        &["a_rename_from_nothing_changes_nothing"],
    ),
    (
        Flaw::RenameOfNothingFails,
        &["a_rename_from_nothing_changes_nothing"],
    ),
    (
        Flaw::RenameToItselfRemoves,
        &["a_rename_to_itself_changes_nothing"],
    ),
    (Flaw::RenameTakesTheLock, &["a_rename_takes_no_lock"]),
    (Flaw::RenameRevives, &["an_expired_session_is_not_renamed"]),
    (Flaw::RemovesOneValue, &["a_removed_session_is_empty"]),
    (
        Flaw::MissesAbsentSessions,
        &["removing_an_absent_session_is_no_error"],
    ),
    (
        Flaw::ExpiresEarly,
        &["a_session_lives_for_its_idle_lifetime"],
    ),
    (
        Flaw::ExpiresWhenPurged,
        &["an_idle_session_is_absent_on_read"],
    ),
    (
        Flaw::ReadsAreNoUse,
        &["reading_renews_a_session", "frequent_reads_renew_a_session"],
    ),
    (
        Flaw::FailedReadsAreNoUse,
        &["reading_an_absent_value_renews_a_session"],
    ),
    (Flaw::NotesReadsLate, &["frequent_reads_renew_a_session"]),
    (Flaw::WritesAreNoUse, &["writing_renews_a_session"]),
    (
        Flaw::OldValuesComeBack,
        &["what_expired_does_not_come_back"],
    ),
    (Flaw::EndlessIsShort, &["an_endless_lifetime_never_ends"]),
    (Flaw::PurgeCountsValues, &["a_purge_counts_what_expired"]),
    (Flaw::PurgeFreesNothing, &["a_purge_counts_what_expired"]),
    (Flaw::PurgeFreesAll, &["a_purge_leaves_the_living"]),
    (Flaw::OneLock, &["a_lock_blocks_no_other_session"]),
    (
        Flaw::LocksByStore,
        &["a_lock_excludes_other_stores_over_the_place"],
    ),
    (
        Flaw::MixesThreadsUp,
        &["many_threads_use_their_sessions_at_once"],
    ),
    (Flaw::DefaultSessionIsNew, &["the_default_session_is_one"]),
    (
        Flaw::DefaultSessionIsZeros,
        &["no_cookie_names_the_default_session"],
    ),
    (Flaw::ShowsDigests, &["debug_shows_neither_values_nor_ids"]),
    (Flaw::ShowsIds, &["debug_shows_neither_values_nor_ids"]),
    (Flaw::FindsNothing, &["a_session_is_found_by_its_user"]),
    (
        Flaw::FindsUsersOnly,
        &["a_session_is_found_by_the_session_of_the_server"],
    ),
    (
        Flaw::FindsAll,
        &["all_sessions_of_a_user_are_found_and_no_other"],
    ),
    (
        Flaw::FindsOne,
        &["all_sessions_of_a_user_are_found_and_no_other"],
    ),
    (Flaw::FindsCopies, &["what_is_found_is_the_session"]),
    (Flaw::FindsWithoutNames, &["what_is_found_is_the_session"]),
    (
        Flaw::KeepsFormerOwners,
        &[
            "a_session_is_found_until_its_owner_is_removed",
            "a_session_is_found_by_its_last_owner_only",
        ],
    ),
    (
        Flaw::KeepsTheFirstOwner,
        &["a_session_is_found_by_its_last_owner_only"],
    ),
    (
        Flaw::LosesOwnersOnWrites,
        &["what_else_is_written_leaves_the_owner"],
    ),
    (
        Flaw::RefusesOtherOwners,
        &["a_value_that_is_no_owner_is_kept_and_finds_nothing"],
    ),
    (
        Flaw::RenameLosesTheOwner,
        &["a_renamed_session_is_found_under_its_new_id_only"],
    ),
    (
        Flaw::RenameCopies,
        &["a_renamed_session_is_found_under_its_new_id_only"],
    ),
    (
        Flaw::RenameKeepsBothOwners,
        &["a_session_that_a_rename_replaces_is_not_found"],
    ),
    (
        Flaw::RenamesInTwoSteps,
        &["a_session_is_found_while_it_is_renamed"],
    ),
    (Flaw::FindsTheRemoved, &["a_removed_session_is_not_found"]),
    (Flaw::FindsTheExpired, &["an_idle_session_is_not_found"]),
    (Flaw::FindingIsUse, &["finding_a_session_does_not_renew_it"]),
    (
        Flaw::MissesTheDefaultSession,
        &["the_default_session_is_found"],
    ),
    (
        Flaw::ForgetsWhenClosed,
        &[
            "sessions_are_found_after_reopening",
            "stores_over_one_place_find_the_same_sessions",
        ],
    ),
    (
        Flaw::MixesThreadsUp,
        &["many_threads_sign_in_and_out_at_once"],
    ),
    (
        Flaw::LocksMakeSessions,
        &["an_empty_store_has_no_session_to_visit"],
    ),
    (Flaw::VisitsNothing, &["each_session_is_visited"]),
    (
        Flaw::VisitsOnePage,
        &["more_sessions_than_a_page_are_visited"],
    ),
    (Flaw::VisitsCopies, &["what_is_visited_is_the_session"]),
    (Flaw::FindsTheRemoved, &["a_removed_session_is_not_visited"]),
    (
        Flaw::RenameCopies,
        &["a_renamed_session_is_visited_under_its_new_id_only"],
    ),
    (
        Flaw::VisitsTheExpired,
        &[
            "an_idle_session_is_not_visited",
            "more_sessions_than_a_page_are_visited",
        ],
    ),
    (
        Flaw::VisitingIsUse,
        &["visiting_a_session_does_not_renew_it"],
    ),
    (
        Flaw::VisitsNoDefaultSession,
        &["the_default_session_is_visited"],
    ),
    (Flaw::VisitsAfterErrors, &["a_visit_that_fails_is_the_last"]),
    (
        Flaw::VisitsUnderTheLock,
        &["a_visit_may_read_write_and_lock", "a_visit_holds_nobody_up"],
    ),
    (
        Flaw::VisitsPagesByNumber,
        &[
            "a_visit_may_remove_what_it_visits",
            "sessions_that_stay_are_visited_while_others_come_and_go",
        ],
    ),
    (
        Flaw::WritesElsewhereFirst,
        &["sessions_that_are_written_meanwhile_are_visited"],
    ),
    (
        Flaw::ForgetsWhenClosed,
        &[
            "sessions_are_visited_after_reopening",
            "stores_over_one_place_visit_the_same_sessions",
        ],
    ),
    (
        Flaw::OtherSessionByDigest,
        &["a_session_by_its_digest_is_the_session"],
    ),
    (
        Flaw::NoAbsentSessionByDigest,
        &["a_session_by_its_digest_need_not_exist"],
    ),
    (
        Flaw::DefaultSessionIsNew,
        &["the_default_session_has_a_digest"],
    ),
    (
        Flaw::VisitsWithoutNames,
        &["a_session_of_one_store_can_be_put_into_another"],
    ),
];

const PROCESS_FLAWS: &[(ProcessFlaw, &[&str])] = &[
    (
        ProcessFlaw::ValuesByProcess,
        &["processes_see_the_same_values"],
    ),
    (
        ProcessFlaw::LocksByProcess,
        &[
            "a_lock_excludes_other_processes",
            "nothing_that_processes_count_is_lost",
        ],
    ),
    (
        ProcessFlaw::LocksOutlive,
        &["a_lock_is_released_when_its_process_is_killed"],
    ),
];

#[test]
fn a_sound_toy_fails_nowhere() {
    be_silent();
    for check in all() {
        if let Some(panic) = panic_of(|| check.run(Flaw::None, ProcessFlaw::None)) {
            panic!("{} fails: {panic}", check.name());
        }
    }
}

#[test]
fn each_flaw_is_found() {
    be_silent();
    // The checks mostly wait.
    thread::scope(|scope| {
        for (flaw, checks) in FLAWS {
            for name in *checks {
                scope.spawn(move || {
                    let found = panic_of(|| check(name).run(*flaw, ProcessFlaw::None));
                    assert!(found.is_some(), "{name} does not find {flaw:?}");
                });
            }
        }
    });
}

#[test]
fn each_flaw_among_processes_is_found() {
    be_silent();
    for (flaw, checks) in PROCESS_FLAWS {
        for name in *checks {
            let found = panic_of(|| check(name).run(Flaw::None, *flaw));
            assert!(found.is_some(), "{name} does not find {flaw:?}");
        }
    }
}

#[test]
fn each_check_has_a_flaw_to_find() {
    let expected: BTreeSet<_> = all().iter().map(|check| check.name()).collect();
    let flaws = FLAWS.iter().flat_map(|(_, checks)| *checks);
    let process_flaws = PROCESS_FLAWS.iter().flat_map(|(_, checks)| *checks);
    let found: BTreeSet<_> = flaws.chain(process_flaws).copied().collect();
    assert_eq!(found, expected);
}

#[test]
fn each_check_is_in_its_list() {
    let public = |source: &str| source.matches("\npub fn ").count();
    let storage = public(include_str!("../src/contract/storage.rs"));
    assert_eq!(storage, storage::ALL.len());
    let store = public(include_str!("../src/contract/session_store.rs"));
    assert_eq!(store, session_store::all::<Toy>().len() + 1);
    let found = public(include_str!("../src/contract/owners.rs"));
    assert_eq!(found, owners::all::<Toy>().len() + 1);
    let all = public(include_str!("../src/contract/all_sessions.rs"));
    assert_eq!(all, all_sessions::all::<Toy>().len() + 1);
    let processes = public(include_str!("../src/contract/processes.rs"));
    assert_eq!(processes, processes::all::<Files>().len() + 2);
}

#[test]
fn a_store_that_finds_and_lists_no_sessions_only_has_to_say_so() {
    be_silent();
    let checks = owners::all::<Files>().into_iter();
    for (name, check) in checks.chain(all_sessions::all::<Files>()) {
        Files::make_with(ProcessFlaw::None);
        assert_eq!(panic_of(check), None, "{name}");
    }
}

/// Does nothing unless another test started this process.
#[test]
fn plays_a_process() {
    processes::play::<Files>();
}

/// A check of any of the five lists.
#[derive(Clone, Copy)]
enum Check {
    Storage(&'static str, storage::Check),
    Store(&'static str, session_store::Check),
    Processes(&'static str, processes::Check),
}

impl Check {
    fn name(self) -> &'static str {
        match self {
            Self::Storage(name, _) | Self::Store(name, _) | Self::Processes(name, _) => name,
        }
    }

    fn run(self, flaw: Flaw, process_flaw: ProcessFlaw) {
        Toy::make_with(flaw);
        Files::make_with(process_flaw);
        match self {
            Self::Storage(_, check) => {
                let toy = Toy::new();
                let store = toy.open(logto_core::DEFAULT_IDLE_LIFETIME, TestClock::new());
                check(&store.session(&SessionId::random()));
            }
            Self::Store(_, check) => check(),
            Self::Processes(_, check) => check(module_path!()),
        }
    }
}

fn all() -> Vec<Check> {
    let storage = storage::ALL.iter();
    let storage = storage.map(|(name, check)| Check::Storage(name, *check));
    let store = session_store::all::<Toy>().into_iter();
    let store = store.map(|(name, check)| Check::Store(name, check));
    let owners = owners::all::<Toy>().into_iter();
    let owners = owners.map(|(name, check)| Check::Store(name, check));
    let all_sessions = all_sessions::all::<Toy>().into_iter();
    let all_sessions = all_sessions.map(|(name, check)| Check::Store(name, check));
    let processes = processes::all::<Files>().into_iter();
    let processes = processes.map(|(name, check)| Check::Processes(name, check));
    storage
        .chain(store)
        .chain(owners)
        .chain(all_sessions)
        .chain(processes)
        .collect()
}

fn check(name: &str) -> Check {
    let found = all().into_iter().find(|check| check.name() == name);
    found.unwrap_or_else(|| panic!("there is no check {name}"))
}

fn panic_of(check: impl FnOnce()) -> Option<String> {
    let panic = panic::catch_unwind(AssertUnwindSafe(check)).err()?;
    let message = panic.downcast_ref::<String>().cloned();
    Some(message.unwrap_or_else(|| "…".to_owned()))
}

/// The panics that are meant to be print nothing; those of this file do.
fn be_silent() {
    panic::set_hook(Box::new(|panic| {
        if panic
            .location()
            .is_some_and(|at| at.file().ends_with("contract_finds.rs"))
        {
            eprintln!("{panic}");
        }
    }));
}
