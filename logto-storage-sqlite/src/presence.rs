//! How other processes see at once that this one is dead.
//!
//! A process that locks sessions keeps one small file beside the database locked for as long as it
//! lives, and the operating system drops that lock however the process ends. The files are numbered
//! and are used again by later processes, so there are as many as there were processes at once. They
//! are never deleted: two processes could then hold a lock each on two files of one name.
//!
//! A file holds the id of the process that locked it last, and a lease names both. Whoever gets
//! the lock of a file, and reads the id of the lease in it, knows that the holder is dead. In every
//! other case nobody knows: the file is locked, or cannot be opened, was deleted by somebody, or
//! belongs to another process now. Then the lease has to run out.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use logto_core::{SessionId, StorageError};

use crate::permissions;

/// So many processes at once can show that they live.
const MOST_SLOTS: u16 = 1_000;

/// This process, as one of those that use a file.
pub(crate) struct Presence {
    id: [u8; 32],
    turns: AtomicI64,
    /// The number of the file, and the file that is kept locked.
    slot: Option<(u16, File)>,
}

impl Presence {
    /// Takes a file that no living process has. What its last process left is given to `bury`.
    ///
    /// Where files cannot be locked the process does without one.
    pub(crate) fn establish(
        database: &Path,
        bury: impl FnOnce(&[u8; 32]) -> Result<(), StorageError>,
    ) -> Result<Self, StorageError> {
        let mut id = SessionId::random().digest();
        let slot = match claim(database) {
            Ok((number, mut file)) => {
                if let Some(dead) = read_id(&mut file) {
                    bury(&dead)?;
                }
                write_id(&mut file, &id).map(|()| (number, file))
            }
            Err(error) => Err(error),
        };
        let slot = slot
            .inspect_err(|error| {
                log::warn!(
                    "no file can be locked beside the session database {} ({error}): should this \
                     process be killed, its locks are kept until their leases run out",
                    database.display(),
                );
            })
            .ok();
        if slot.is_none() {
            // The file may say this one, and nobody holds it.
            id = SessionId::random().digest();
        }
        Ok(Self {
            id,
            turns: AtomicI64::new(0),
            slot,
        })
    }

    pub(crate) fn id(&self) -> [u8; 32] {
        self.id
    }

    pub(crate) fn slot(&self) -> Option<u16> {
        self.slot.as_ref().map(|(number, _)| *number)
    }

    /// A number that this process has not had.
    pub(crate) fn next_turn(&self) -> i64 {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }
}

/// Whether the process that a lease names is certainly dead.
pub(crate) fn is_dead(database: &Path, slot: u16, id: &[u8; 32]) -> bool {
    let Ok(mut file) = File::open(path_of(database, slot)) else {
        return false;
    };
    file.try_lock().is_ok() && read_id(&mut file).as_ref() == Some(id)
}

/// A file that nobody has locked, locked.
fn claim(database: &Path) -> io::Result<(u16, File)> {
    for slot in 0..MOST_SLOTS {
        let path = path_of(database, slot);
        let file = match permissions::open_beside(database, &path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => continue,
            outcome => outcome?,
        };
        match file.try_lock() {
            Ok(()) => return excludes_others(&path).map(|()| (slot, file)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::other("all are in use"))
}

/// Where everybody gets the lock, the living would look dead.
fn excludes_others(locked: &Path) -> io::Result<()> {
    match File::open(locked)?.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
        Ok(()) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "locks exclude nobody on this file system",
        )),
    }
}

/// `None` of a new file, and of one that a power failure has cut.
fn read_id(file: &mut File) -> Option<[u8; 32]> {
    let mut id = [0; 32];
    file.rewind().ok()?;
    file.read_exact(&mut id).ok()?;
    Some(id)
}

/// Durable, so that leases which outlive a power failure are known to be of a dead process.
fn write_id(file: &mut File, id: &[u8; 32]) -> io::Result<()> {
    file.rewind()?;
    file.write_all(id)?;
    file.sync_all()
}

fn path_of(database: &Path, slot: u16) -> PathBuf {
    let mut path = OsString::from(database);
    path.push(format!("-alive{slot}"));
    path.into()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Fixture {
        _directory: tempfile::TempDir,
        database: PathBuf,
    }

    impl Fixture {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let database = directory.path().join("sessions.db");
            fs::write(&database, "").unwrap();
            Self {
                _directory: directory,
                database,
            }
        }

        fn establish(&self) -> Presence {
            Presence::establish(&self.database, |_| Ok(())).unwrap()
        }

        fn is_dead(&self, slot: u16, id: [u8; 32]) -> bool {
            is_dead(&self.database, slot, &id)
        }
    }

    #[test]
    fn a_process_is_alive_until_its_file_is_closed() {
        let fixture = Fixture::new();
        let presence = fixture.establish();
        let (slot, id) = (presence.slot().unwrap(), presence.id());
        assert!(!fixture.is_dead(slot, id));
        drop(presence);
        assert!(fixture.is_dead(slot, id));
    }

    #[test]
    fn processes_at_once_have_a_file_each_and_later_ones_use_them_again() {
        let fixture = Fixture::new();
        let (first, second) = (fixture.establish(), fixture.establish());
        assert_eq!((first.slot(), second.slot()), (Some(0), Some(1)));
        drop(first);
        assert_eq!(fixture.establish().slot(), Some(0));
    }

    #[test]
    fn the_next_process_buries_the_last_one_of_its_file() {
        let fixture = Fixture::new();
        let mut buried = Vec::new();
        let mut ids = Vec::new();
        for _ in 0..3 {
            let presence = Presence::establish(&fixture.database, |dead| {
                buried.push(*dead);
                Ok(())
            });
            ids.push(presence.unwrap().id());
        }
        assert_eq!(buried, ids[..2]);
    }

    #[test]
    fn nobody_is_known_to_be_dead_by_another_process_s_file() {
        let fixture = Fixture::new();
        let former = fixture.establish().id();
        let (slot, id) = {
            let presence = fixture.establish();
            (presence.slot().unwrap(), presence.id())
        };
        assert!(!fixture.is_dead(slot, former));
        assert!(fixture.is_dead(slot, id));
        assert!(!fixture.is_dead(slot + 1, id));
    }

    #[test]
    fn a_living_process_whose_file_was_deleted_does_not_look_dead() {
        let fixture = Fixture::new();
        let presence = fixture.establish();
        fs::remove_file(path_of(&fixture.database, 0)).unwrap();
        assert!(!fixture.is_dead(0, presence.id()));
        let mut buried = false;
        let other = Presence::establish(&fixture.database, |_| {
            buried = true;
            Ok(())
        });
        assert_eq!(other.unwrap().slot(), Some(0));
        assert!(!buried && !fixture.is_dead(0, presence.id()));
    }

    #[test]
    fn a_file_that_a_power_failure_has_cut_can_be_used() {
        let fixture = Fixture::new();
        fs::write(path_of(&fixture.database, 0), "cut").unwrap();
        let presence = fixture.establish();
        let id = presence.id();
        assert_eq!(presence.slot(), Some(0));
        drop(presence);
        assert!(fixture.is_dead(0, id));
    }

    #[test]
    fn a_process_does_without_where_no_file_can_be_had() {
        let fixture = Fixture::new();
        fs::create_dir(path_of(&fixture.database, 0)).unwrap();
        assert_eq!(fixture.establish().slot(), None);
    }
}
