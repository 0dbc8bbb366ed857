//! A process that writes is killed at a random moment, again and again: what it was told to be written
//! is there, and nothing is there in part.

mod common;

use logto_testing::contract::crash::Moment;

use common::{Files, names};

logto_testing::crash_contract!(Files, |files, moment| match moment {
    Moment::Killed if !files.path().exists() => {}
    // One at most for each thread that was killed.
    Moment::Killed => assert!(names(&files.path(), ".tmp").len() <= 3),
    Moment::Emptied => assert!(names(&files.path(), ".session").is_empty()),
    _ => assert!(names(&files.path(), ".tmp").is_empty()),
});
