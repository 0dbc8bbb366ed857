//! A process that writes is killed at a random moment, again and again: what it was told to be written
//! is there, and nothing is there in part.

mod common;

use logto_testing::contract::crash::Moment;

use common::InDirectory;

logto_testing::crash_contract!(InDirectory, |directory, moment| {
    if moment == Moment::Emptied {
        assert_is_emptied(directory);
    }
});

/// When all sessions are removed nothing is left, such as pieces of values that nobody knows.
fn assert_is_emptied(directory: &InDirectory) {
    let raw = common::open_raw(directory.path());
    for tree in ["sessions", "chunks"] {
        assert!(raw.open_tree(tree).unwrap().is_empty(), "{tree}");
    }
}
