//! Scratch.
use logto_core::*;
use std::time::{Duration, Instant};
fn main() {
    let n: usize = std::env::args().nth(1).map_or(300, |n| n.parse().unwrap());
    let dir = std::env::args().nth(2).unwrap_or("/tmp/frames".into());
    std::fs::create_dir_all(&dir).unwrap();
    let path = std::path::Path::new(&dir).join("s.db");
    for s in ["", "-wal", "-shm", "-alive0"] {
        let _ = std::fs::remove_file(format!("{}{s}", path.display()));
    }
    let store = logto_storage_sqlite::SqliteStore::open(&path).unwrap();
    let frames = || {
        std::fs::metadata(format!("{}-wal", path.display()))
            .map_or(0, |m| m.len().saturating_sub(32) / 4120)
    };
    let t = Duration::from_secs(5);
    let id_token = "x".repeat(900);
    let mut times = [const { Vec::new() }; 3];
    for i in 0..n {
        let id = SessionId::random();
        let s = store.session(&id);
        let f0 = frames();
        let l = s.lock_to_write(t).unwrap();
        l.last_write(|| s.update(&[Change::set(PersistKey::SignInSession, &"y".repeat(400))]))
            .unwrap();
        drop(l);
        let f1 = frames();
        let a = Instant::now();
        let _ = s.get(PersistKey::SignInSession).unwrap();
        let l = s.lock_to_write(t).unwrap();
        let _ = s.get(PersistKey::SignInSession).unwrap();
        l.last_write(|| {
            s.update_unsynced(&[Change::set(PersistKey::SignInSession, &"z".repeat(300))])
        })
        .unwrap();
        drop(l);
        times[0].push(a.elapsed());
        let f2 = frames();
        let a = Instant::now();
        let l = s.lock_to_write(t).unwrap();
        let _ = s.get(PersistKey::SignInSession).unwrap();
        let owner =
            SessionOwner::of("https://a", &format!("u{i}"), Some(&format!("s{i}"))).to_string();
        let to = SessionId::random();
        l.last_write(|| {
            store.replace(
                &id,
                &to,
                &[
                    Change::set(PersistKey::Owner, &owner),
                    Change::set(PersistKey::RefreshToken, &"r".repeat(43)),
                    Change::remove(PersistKey::PendingRefreshToken),
                    Change::set(PersistKey::AccessTokenMap, &"a".repeat(130)),
                    Change::set(PersistKey::IdToken, &id_token),
                    Change::set(PersistKey::SignInSession, &"z".repeat(300)),
                ],
            )
        })
        .unwrap();
        drop(l);
        times[1].push(a.elapsed());
        let f3 = frames();
        if i % (n / 5).max(1) == n / 5 - 1 {
            println!(
                "{i}: sign-in {} mark {} end {}",
                f1 as i64 - f0 as i64,
                f2 as i64 - f1 as i64,
                f3 as i64 - f2 as i64
            );
        }
    }
    for t in &mut times[..2] {
        t.sort();
        println!("{:?}", t[t.len() / 2]);
    }
}
