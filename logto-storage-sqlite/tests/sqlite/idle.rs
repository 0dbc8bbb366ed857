//! When a use is noted, and what that changes.

use std::time::Duration;

use logto_core::Storage as _;

use crate::fixture::{LIFETIME, Scene};

fn last_used(scene: &Scene) -> i64 {
    let raw = scene.sqlite.raw();
    raw.query_row("SELECT last_used FROM sessions", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn idle_lifetime_is_kept_to_the_millisecond() {
    let scene = Scene::new();
    let (key, record) = scene.session("a");
    scene.clock.advance(LIFETIME);
    assert_eq!(scene.storage.load(&key).unwrap(), Some(record));
    scene.clock.advance(LIFETIME + Duration::from_millis(1));
    assert_eq!(scene.storage.load(&key).unwrap(), None);
}

#[test]
fn idle_loads_write_once_in_a_twentieth_of_the_lifetime_and_no_version() {
    let scene = Scene::new();
    let (key, record) = scene.session("a");
    let saved = last_used(&scene);
    scene.clock.advance(LIFETIME / 20);
    scene.storage.load(&key).unwrap();
    assert_eq!(last_used(&scene), saved);

    scene.clock.advance(Duration::from_millis(1));
    let loaded = scene.storage.load(&key).unwrap().unwrap();
    assert_eq!(last_used(&scene), saved + 50_001);
    assert_eq!(loaded.version(), record.version());
    assert_eq!(scene.storage.load(&key).unwrap(), Some(record));
}

#[test]
fn idle_sessions_are_found_and_visited_without_a_use() {
    let scene = Scene::new();
    scene.session("a");
    let saved = last_used(&scene);
    scene.clock.advance(LIFETIME / 2);
    scene.storage.for_each(&mut |_| Ok(())).unwrap();
    assert_eq!(last_used(&scene), saved);
}
