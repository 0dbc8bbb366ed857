//! A process that writes is killed at random moments: all that it was told to be written is there, and nothing is
//! there in part.

use logto_testing::contract::crash::Moment;

use super::{InDirectory, open_raw};

logto_testing::crash_contract!(InDirectory, |directory, moment| {
    if moment == Moment::Emptied {
        assert_is_emptied(directory);
    }
});

/// When all sessions are removed, no index entries are left.
fn assert_is_emptied(directory: &InDirectory) {
    let raw = open_raw(directory.path());
    for tree in ["sessions", "owners"] {
        assert!(raw.open_tree(tree).unwrap().is_empty(), "{tree}");
    }
}
