//! The power fails at every moment, and the disk keeps what was synced and any part of what was not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use logto_core::Storage as _;
use logto_core::files::create_private_directory;

use super::{Sessions, read_all, record, save, session, storage};
use crate::FileStorage;
use crate::fs::{Fs, OsFs};

const OWNERS: &str = "owners";

/// What was done to the disk, in order, and which call did it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    Begin,
    End,
    Create { name: String, bytes: Vec<u8> },
    Sync { name: String },
    Rename { from: String, to: String },
    Remove { name: String },
    SyncDirectory { name: String },
}

/// Writes down what is done, and does it.
#[derive(Debug, Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Event>>>);

impl Recorder {
    fn record(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Fs for Recorder {
    fn create(&self, path: &Path, bytes: &[u8], time: Option<SystemTime>) -> io::Result<File> {
        let file = OsFs.create(path, bytes, time)?;
        let (name, bytes) = (name_of(path), bytes.to_vec());
        self.record(Event::Create { name, bytes });
        Ok(file)
    }

    fn sync_file(&self, file: &File, path: &Path) -> io::Result<()> {
        OsFs.sync_file(file, path)?;
        let name = name_of(path);
        self.record(Event::Sync { name });
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsFs.rename(from, to)?;
        let (from, to) = (name_of(from), name_of(to));
        self.record(Event::Rename { from, to });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        OsFs.remove(path)?;
        let name = name_of(path);
        self.record(Event::Remove { name });
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        OsFs.sync_directory(path)?;
        let name = name_of(path);
        self.record(Event::SyncDirectory { name });
        Ok(())
    }
}

/// Below the storage's directory.
fn name_of(path: &Path) -> String {
    let mut names = path.iter().rev().map(|name| name.to_str().unwrap());
    match (names.next().unwrap(), names.next().unwrap()) {
        (OWNERS, _) => OWNERS.to_owned(),
        (name, OWNERS) => format!("{OWNERS}/{name}"),
        (name, _) => name.to_owned(),
    }
}

/// Whether the directory of this name, that of the marks or the storage's, has the file of that one.
fn has(directory: &str, file: &str) -> bool {
    (directory == OWNERS) == file.contains('/')
}

/// What a directory holds.
type Files = BTreeMap<String, Vec<u8>>;

/// The disk before the power fails.
#[derive(Default)]
struct Disk {
    files: Vec<Content>,
    /// The directory as it was synced: files by name.
    synced: BTreeMap<String, usize>,
    /// The directory as programs see it.
    seen: BTreeMap<String, usize>,
    /// What was done to the directory since.
    pending: Vec<Pending>,
}

struct Content {
    bytes: Vec<u8>,
    is_synced: bool,
}

enum Pending {
    Create(String, usize),
    Rename(String, String, usize),
    Remove(String),
}

impl Pending {
    fn name(&self) -> &str {
        match self {
            Self::Create(name, _) | Self::Rename(name, ..) | Self::Remove(name) => name,
        }
    }
}

/// How a file system that lost some steps carries out a rename: with the file that was meant, or with
/// the one that has the name.
#[derive(Clone, Copy)]
enum Replay {
    ByFile,
    ByName,
}

/// What became of a file that was not synced.
#[derive(Clone, Copy)]
enum Fate {
    Whole,
    Empty,
    Half,
    Zeros,
}

const FATES: [Fate; 4] = [Fate::Whole, Fate::Empty, Fate::Half, Fate::Zeros];

impl Disk {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::Begin | Event::End => {}
            Event::Create { name, bytes } => {
                let number = self.files.len();
                self.files.push(Content {
                    bytes: bytes.clone(),
                    is_synced: false,
                });
                self.seen.insert(name.clone(), number);
                self.pending.push(Pending::Create(name.clone(), number));
            }
            Event::Sync { name } => self.files[self.seen[name]].is_synced = true,
            Event::Rename { from, to } => {
                let number = self.seen.remove(from).unwrap();
                self.seen.insert(to.clone(), number);
                let rename = Pending::Rename(from.clone(), to.clone(), number);
                self.pending.push(rename);
            }
            Event::Remove { name } => {
                self.seen.remove(name);
                self.pending.push(Pending::Remove(name.clone()));
            }
            Event::SyncDirectory { name } => {
                self.synced.retain(|file, _| !has(name, file));
                let seen = self.seen.iter().filter(|(file, _)| has(name, file));
                self.synced
                    .extend(seen.map(|(file, number)| (file.clone(), *number)));
                self.pending.retain(|step| !has(name, step.name()));
            }
        }
    }

    /// All that may be there when the power comes back. Each step that was not synced may have happened
    /// or not, whatever became of the others.
    fn remains(&self) -> BTreeSet<Files> {
        let mut remains = BTreeSet::new();
        for happened in 0..1_u32 << self.pending.len() {
            for replay in [Replay::ByFile, Replay::ByName] {
                let names = self.replay(happened, replay);
                remains.extend(FATES.map(|fate| self.read(&names, fate)));
            }
        }
        remains
    }

    fn replay(&self, happened: u32, replay: Replay) -> BTreeMap<String, usize> {
        let mut names = self.synced.clone();
        for (bit, step) in self.pending.iter().enumerate() {
            if happened & (1 << bit) == 0 {
                continue;
            }
            match step {
                Pending::Create(name, file) => drop(names.insert(name.clone(), *file)),
                Pending::Remove(name) => drop(names.remove(name)),
                Pending::Rename(from, to, meant) => {
                    let found = names.remove(from);
                    let moved = match replay {
                        Replay::ByFile => Some(*meant),
                        Replay::ByName => found,
                    };
                    names.extend(moved.map(|file| (to.clone(), file)));
                }
            }
        }
        names
    }

    fn read(&self, names: &BTreeMap<String, usize>, fate: Fate) -> Files {
        let files = names.iter().map(|(name, file)| {
            let Content { bytes, is_synced } = &self.files[*file];
            let left = match fate {
                _ if *is_synced => bytes.clone(),
                Fate::Whole => bytes.clone(),
                Fate::Empty => Vec::new(),
                Fate::Half => bytes[..bytes.len() / 2].to_vec(),
                Fate::Zeros => vec![0; bytes.len()],
            };
            (name.clone(), left)
        });
        files.collect()
    }
}

/// Writes what is left of a directory to another one.
fn restore(files: &Files, path: &Path) {
    let _ = fs::remove_dir_all(path);
    create_private_directory(path).unwrap();
    if files.keys().any(|name| !name.ends_with(".tmp")) {
        // It is made when the marker has its name.
        create_private_directory(&path.join(OWNERS)).unwrap();
    }
    for (name, bytes) in files {
        OsFs.create(&path.join(name), bytes, None).unwrap();
    }
}

/// Calls of every kind, what was done to the disk, and what the sessions held after each of them.
struct Story {
    events: Vec<Event>,
    sessions: Vec<Sessions>,
}

impl Story {
    fn tell() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let recorder = Recorder::default();
        let storage = storage(&directory.path().join("sessions"), recorder.clone()).unwrap();
        let mut sessions = vec![Sessions::default()];
        for call in CALLS {
            recorder.record(Event::Begin);
            call(&storage);
            recorder.record(Event::End);
            sessions.push(read_all(&storage).unwrap());
        }
        let events = recorder.0.lock().unwrap().clone();
        Self { events, sessions }
    }

    /// The first state that a power failure may leave and that must not be, as far as these events tell.
    fn find_fault(&self, events: &[Event]) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions");
        let mut disk = Disk::default();
        let (mut begun, mut ended) = (0, 0);
        let mut checked = BTreeSet::new();
        for (at, event) in events.iter().enumerate() {
            disk.apply(event);
            begun += usize::from(*event == Event::Begin);
            ended += usize::from(*event == Event::End);
            for files in disk.remains() {
                if !checked.insert((ended, begun, files.clone())) {
                    continue;
                }
                restore(&files, &path);
                let found = storage(&path, OsFs).and_then(|storage| read_all(&storage));
                let found = found.as_ref();
                if !found.is_ok_and(|found| self.allows(ended, begun, found)) {
                    return Some(format!(
                        "power fails after event {at}, {event:?}: {found:?}"
                    ));
                }
            }
        }
        None
    }

    /// The sessions are as before the call that was going on, or as after. A replacement may leave both of its
    /// sessions.
    fn allows(&self, ended: usize, begun: usize, found: &Sessions) -> bool {
        let [before, after] = [ended, begun].map(|at| &self.sessions[at]);
        let both: Sessions =
            std::array::from_fn(|number| after[number].clone().or(before[number].clone()));
        [before, after, &both].contains(&found)
    }
}

const CALLS: [fn(&FileStorage); 7] = [
    |storage| save(storage, 0, &record(Some("alice"), "1")).unwrap(),
    |storage| save(storage, 0, &record(Some("alice"), "2")).unwrap(),
    |storage| save(storage, 1, &record(None, &"3".repeat(3_000))).unwrap(),
    |storage| {
        let found = storage.load(&session(0)).unwrap().unwrap();
        let (version, new) = (Some(found.version()), record(Some("alice"), "4"));
        let replaced = storage.replace(&session(0), version, &session(2), &new);
        replaced.unwrap();
    },
    |storage| save(storage, 2, &record(Some("bob"), "5")).unwrap(),
    |storage| save(storage, 2, &record(None, "6")).unwrap(),
    |storage| storage.remove(&session(1)).unwrap(),
];

#[test]
fn power_failure_leaves_all_that_was_written() {
    let story = Story::tell();
    assert_eq!(story.find_fault(&story.events), None);
}

#[test]
fn power_failure_shows_each_sync_that_is_left_out() {
    let story = Story::tell();
    let is_sync = |event: &Event| matches!(event, Event::Sync { .. } | Event::SyncDirectory { .. });
    let mut missed = [0, 0];
    for at in 0..story.events.len() {
        if !is_sync(&story.events[at]) {
            continue;
        }
        let mut events = story.events.clone();
        let taken = events.remove(at);
        let fault = story.find_fault(&events);
        assert!(fault.is_some(), "event {at}, {taken:?}, is not missed");
        missed[usize::from(matches!(taken, Event::SyncDirectory { .. }))] += 1;
    }
    // Files: the marker, and one for each of six calls that write. Directories: the marker, six calls that write,
    // two that remove, and three that mark a new owner.
    assert_eq!(missed, [7, 12]);
}

#[test]
fn power_failure_shows_a_file_that_is_synced_after_its_rename() {
    let story = Story::tell();
    let mut events = story.events.clone();
    let rename = |event: &Event| matches!(event, Event::Rename { .. });
    let at = events.iter().position(rename).unwrap();
    let Event::Rename { to, .. } = &events[at] else {
        panic!()
    };
    events[at - 1] = Event::Sync { name: to.clone() };
    events.swap(at - 1, at);
    assert!(story.find_fault(&events).is_some());
}
