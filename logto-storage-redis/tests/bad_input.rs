//! Servers that refuse, hang, lie or are not what their address says: a clear error, in time, without
//! a secret, and nothing is lost.

#[path = "common/failures.rs"]
mod failures;
#[path = "common/only.rs"]
mod only;
#[path = "common/server.rs"]
mod server;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use logto_core::StorageErrorKind::{
    Backend, Conflict, Corrupt, PermissionDenied, Unavailable, Unsupported,
};
use logto_core::{Record, SessionId, SessionKey, Storage as _, StorageError, Version};
use logto_storage_redis::RedisStorage;

use failures::{SECRET, assert_failed, in_time, keep_the_log, logged};
use only::Only;
use server::{RedisServer, shared, shared_cluster, unique_prefix};

const SOON: Duration = Duration::from_millis(400);
/// Of a call that is not to wait for its timeout: no test does.
const NEVER: Duration = Duration::from_secs(100_000);
/// Between the parts of an answer.
const PART: Duration = Duration::from_millis(50);

#[test]
fn a_login_that_is_refused_is_told_at_once() {
    let server = RedisServer::builder().password("right").start();
    server.acl_user("narrow", &format!("on >{SECRET} ~other:* +@all"));
    server.acl_user("reader", &format!("on >{SECRET} ~* +@read +@connection"));
    let at = server.address();
    let open = |login: &str| {
        let url = format!("redis://{login}{at}");
        in_time(move || RedisStorage::builder(&url).timeout(NEVER).open())
    };
    let refused = "does not accept the user or the password";
    assert_failed(open(&format!(":{SECRET}@")), PermissionDenied, refused);
    assert_failed(
        open(&format!("nobody:{SECRET}@")),
        PermissionDenied,
        refused,
    );
    assert_failed(open(""), PermissionDenied, "wants a password");
    assert_failed(open(&format!("narrow:{SECRET}@")), PermissionDenied, "ACL");
    let store = open(&format!("reader:{SECRET}@")).unwrap();
    let written = Only::of(&store).set(Some(SECRET));
    assert_failed(written, PermissionDenied, "ACL");
    assert!(open(":right@").is_ok());
}

#[test]
fn a_password_for_a_server_without_one_is_refused() {
    let url = format!("redis://:{SECRET}@{}", shared().address());
    let opened = RedisStorage::open(&url);
    assert_failed(opened, PermissionDenied, "or has no password");
}

#[test]
fn a_database_that_is_not_there_is_named() {
    let opened = RedisStorage::open(&format!("{}/4711", shared().url()));
    assert_failed(opened, Backend, "no database 4711");
}

#[test]
fn a_server_that_is_not_there_is_told_at_once() {
    let open = |host: &str| {
        let url = format!("redis://:{SECRET}@{host}");
        in_time(move || RedisStorage::builder(&url).timeout(NEVER).open())
    };
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = assert_failed(open(&free.to_string()), Unavailable, "refused");
    assert!(error.to_string().contains(&free.to_string()), "{error}");
    assert_failed(open("no-such-host.invalid"), Unavailable, "has no address");
}

#[test]
fn whatever_answers_there_has_no_more_time_than_the_timeout() {
    let silent = |_: &mut TcpStream| thread::sleep(NEVER);
    assert_failed(open(silent, SOON), Unavailable, "(`timeout`)");
    // Each byte would be another wait.
    let dripping = |stream: &mut TcpStream| {
        while stream
            .write_all(b"$")
            .and_then(|()| stream.write_all(b"1"))
            .is_ok()
        {
            thread::sleep(Duration::from_millis(20));
        }
    };
    let dripped = open(dripping, SOON);
    assert!(dripped.is_err());
    // The length of an answer that never ends.
    let endless = |stream: &mut TcpStream| {
        let _ = stream.write_all(b"$999999\r\n");
        while stream.write_all(b"a").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    };
    assert_failed(open(endless, SOON), Unavailable, "(`timeout`)");
}

#[test]
fn what_is_not_redis_is_told_at_once() {
    let not_redis = [
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "\u{15}\u{3}\u{3}\0\u{2}\u{2}F\r\n",
        ":12twelve\r\n",
        "*-\r\n",
        "$abc\r\n",
        "%99999999999999999999\r\n",
    ];
    for answer in not_redis {
        let opened = open(says(answer.as_bytes().to_vec()), NEVER);
        assert_failed(opened, Backend, "is not Redis");
    }
    let nested = open(says(b"*1\r\n".repeat(100_000)), NEVER);
    assert_failed(nested, Backend, "is not Redis");
}

#[test]
fn an_answer_to_something_else_is_an_error() {
    let store = open(answers(b"*1\r\n$1\r\na\r\n".to_vec()), SOON).unwrap();
    let session = Only::of(&store);
    assert!(session.get().is_err());
    assert!(session.set(Some(SECRET)).is_err());
}

#[test]
fn a_script_with_an_odd_answer_does_not_end_the_session() {
    let address = answering(|_, command| match command.contains("EVAL") {
        true => ":7\r\n".to_owned(),
        false if command.contains("INFO") => "$0\r\n\r\n".to_owned(),
        false => ":-2\r\n".to_owned(),
    });
    let store = RedisStorage::open(&format!("redis://{address}")).unwrap();
    let saved = store.save(&SessionKey::ONLY, &Record::new(None, "a"), None);
    let error = assert_failed(saved, Backend, "a script");
    assert!(!error.is_permanent());
}

#[test]
fn a_replacement_whose_removal_lost_its_answer_has_succeeded() {
    let (from, to) = (SessionId::random().key(), SessionId::random().key());
    let (old, new) = (Record::new(None, "a"), Record::new(None, "b"));
    let hex = |version: &Version| -> String {
        let bytes = version.as_bytes().iter();
        bytes.map(|byte| format!("{byte:02x}")).collect()
    };
    let version = hex(&old.version());
    for loses_it in [true, false] {
        let (version, writes) = (version.clone(), AtomicU32::new(0));
        // The save, the removal, and then the same again, or the removal of what was saved.
        let address = answering(move |_, command| {
            if command.contains("EVAL") {
                return match writes.fetch_add(1, Relaxed) {
                    0 => ":1\r\n".to_owned(),
                    1 if loses_it => String::new(),
                    _ => ":2\r\n".to_owned(),
                };
            }
            match command.contains("HMGET") {
                true => format!("*4\r\n$32\r\n{version}\r\n$0\r\n\r\n$-1\r\n$1\r\na\r\n:-1\r\n"),
                false if command.contains("INFO") => "$0\r\n\r\n".to_owned(),
                false => ":-2\r\n".to_owned(),
            }
        });
        let store = RedisStorage::open(&format!("redis://{address}")).unwrap();
        let replaced = store.replace(&from, Some(old.version()), &to, &new);
        match loses_it {
            true => replaced.unwrap(),
            false => drop(assert_failed(replaced, Conflict, "")),
        }
    }
}

#[test]
fn an_answer_too_many_is_never_that_to_another_call() {
    // Sent at once, with the byte that would make the next one whole, or after a while.
    let value = |of: &str| format!("${}\r\n{of}\r\n:-1\r\n", of.len());
    let surplus = [value("Alice"), "$5\r\nAli".to_owned(), "+".to_owned()];
    for surplus in surplus {
        for is_late in [false, true] {
            let (asked, surplus, of_bob) = (AtomicU32::new(0), surplus.clone(), value("Bob"));
            let address = answering_in_parts(move |command| match command.contains("HGET") {
                true if asked.fetch_add(1, Relaxed) == 0 && is_late => {
                    vec![of_bob.clone(), surplus.clone()]
                }
                true => vec![format!("{of_bob}{surplus}")],
                false if command.contains("INFO") => vec!["$0\r\n\r\n".to_owned()],
                false => vec![":-2\r\n".to_owned()],
            });
            let store = RedisStorage::builder(&format!("redis://{address}"))
                .timeout(SOON)
                .connections(1)
                .open()
                .unwrap();
            let session = Only::of(&store);
            for _ in 0..3 {
                if let Ok(read) = session.get() {
                    assert_eq!(read.as_deref(), Some("Bob"));
                }
                thread::sleep(2 * PART);
            }
        }
    }
}

#[test]
fn a_server_that_became_a_replica_is_connected_to_anew() {
    // A name that a failover gives to another server; the old one keeps its connections.
    let opened = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&opened);
    let address = answering_each(move || {
        let is_old = counted.fetch_add(1, Relaxed) == 0;
        move |command: &str| {
            match command.contains("EVAL") {
                true if is_old => "-READONLY You can't write against a read only replica.\r\n",
                true => ":1\r\n",
                false if command.contains("INFO") => "$0\r\n\r\n",
                false => ":-2\r\n",
            }
            .to_owned()
        }
    });
    let store = RedisStorage::open(&format!("redis://{address}")).unwrap();
    let session = Only::of(&store);
    let written = session.set(None);
    assert_failed(written, PermissionDenied, "read-only replica");
    session.set(None).unwrap();
    assert_eq!(opened.load(Relaxed), 2);
}

#[test]
fn huge_lengths_take_no_memory() {
    for length in [
        "$9223372036854775807",
        "*9223372036854775807",
        "*999999999",
        "~999999999",
    ] {
        let mut announced = format!("{length}\r\n").into_bytes();
        announced.extend(b"a".repeat(1000));
        assert!(open(says(announced), SOON).is_err());
    }
    // More than any answer of this crate, and never at its end.
    let flood = |stream: &mut TcpStream| {
        let _ = stream.write_all(b"$9000000000\r\n");
        while stream.write_all(&[b'a'; 65536]).is_ok() {}
    };
    assert_failed(open(flood, NEVER), Backend, "is not Redis");
}

#[test]
fn a_server_that_closes_at_once_is_told() {
    assert_failed(
        open(|_: &mut TcpStream| (), NEVER),
        Unavailable,
        "closed the connection",
    );
    let in_the_middle = open(says_and_closes(b"$100\r\nabc".to_vec()), NEVER);
    assert_failed(in_the_middle, Unavailable, "closed the connection");
}

#[test]
fn no_error_repeats_what_the_server_says() {
    for code in [
        "ERR",
        "WRONGPASS",
        "NOPERM",
        "READONLY",
        "MOVED 1",
        "OOM",
        "WRONGTYPE",
        SECRET,
    ] {
        let answer = format!("-{code} {SECRET} {SECRET}:6379\r\n");
        let opened = open(says(answer.into_bytes()), SOON);
        let told = failures::all_that_is_told_by(&opened.unwrap_err());
        assert!(!told.contains(SECRET), "{told}");
    }
}

#[test]
fn a_server_that_hangs_in_the_midst_loses_nothing() {
    let server = RedisServer::start();
    let store = RedisStorage::builder(&server.url())
        .timeout(SOON)
        .open()
        .unwrap();
    let session = Only::of(&store);
    session.set(Some("before")).unwrap();
    server.pause();
    for _ in 0..2 {
        let session = Only::of(&store);
        let read = in_time(move || session.get());
        assert_failed(read, Unavailable, "(`timeout`)");
    }
    let hanging = Only::of(&store);
    let written = in_time(move || hanging.set(Some(SECRET)));
    assert_failed(written, Unavailable, "(`timeout`)");
    server.resume();
    let store = RedisStorage::open(&server.url()).unwrap();
    let read = Only::of(&store).get().unwrap();
    assert_eq!(read.as_deref(), Some("before"));
}

#[test]
fn a_replica_is_not_written_to() {
    let master = RedisServer::start();
    let replica = RedisServer::builder().replica_of(&master).start();
    let opened = RedisStorage::builder(&replica.url()).timeout(NEVER).open();
    assert_failed(opened, PermissionDenied, "read-only replica");
    let store = RedisStorage::open(&master.url()).unwrap();
    let session = Only::of(&store);
    session.set(Some("before")).unwrap();
    let port = replica.port().to_string();
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    master.command(&["REPLICAOF", "127.0.0.1", &port]);
    let written = session.set(Some(SECRET));
    assert_failed(written, PermissionDenied, "read-only replica");
}

#[test]
fn a_full_memory_is_named_and_what_is_there_stays() {
    let server = RedisServer::start();
    let store = RedisStorage::open(&server.url()).unwrap();
    let session = Only::of(&store);
    session.set(Some("before")).unwrap();
    server.config_set("maxmemory", "1");
    let written = session.set(Some(SECRET));
    assert_failed(written, Backend, "maxmemory");
    let read = session.get().unwrap();
    assert_eq!(read.as_deref(), Some("before"));
    server.config_set("maxmemory", "0");
    session.set(Some("after")).unwrap();
}

#[test]
fn a_key_of_another_type_is_neither_absent_nor_overwritten() {
    let (store, key) = session_of_its_own();
    shared().command(&["DEL", &key]);
    shared().command(&["SET", &key, SECRET]);
    let session = Only::of(&store);
    let another = "another prefix";
    assert_failed(session.get(), Corrupt, another);
    let written = session.set(Some("new"));
    assert_failed(written, Corrupt, another);
    assert_eq!(shared().command(&["GET", &key]).text(), SECRET);
}

#[test]
fn a_value_that_is_not_text_is_not_absent() {
    let (store, key) = session_of_its_own();
    let damage = "for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
        redis.call('HSET', KEYS[1], name, '\\255') end";
    shared().command(&["EVAL", damage, "1", &key]);
    let read = Only::of(&store).get();
    assert_failed(read, Corrupt, "damaged");
}

#[test]
fn an_address_of_the_wrong_kind_is_told_at_once() {
    let cluster = shared_cluster();
    for node in cluster.nodes() {
        let opened = RedisStorage::builder(&node.url()).timeout(NEVER).open();
        assert_failed(opened, Backend, "redis+cluster://");
    }
    let open = |url: String| RedisStorage::builder(&url).timeout(NEVER).open();
    let single = open(format!("redis+cluster://{}", shared().address()));
    assert_failed(single, Backend, "begins with redis://");
    let no_sentinel = open(format!("redis+sentinel://{}/service", shared().address()));
    assert_failed(no_sentinel, Backend, "no Sentinel");
}

#[test]
fn a_server_that_is_loading_is_waited_for() {
    let loading = AtomicU32::new(3);
    let behaves = move |_, command: &str| match loading
        .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1))
    {
        Ok(_) => "-LOADING Redis is loading the dataset in memory\r\n".to_owned(),
        Err(_) if command.contains("INFO") => "$0\r\n\r\n".to_owned(),
        Err(_) => ":-2\r\n".to_owned(),
    };
    let url = format!("redis://{}", answering(behaves));
    in_time(move || RedisStorage::builder(&url).timeout(NEVER).open()).unwrap();
}

#[test]
fn nodes_that_disagree_are_not_asked_for_ever() {
    for code in ["MOVED", "ASK"] {
        let address = answering(move |port, command| match command.contains("SLOTS") {
            true => format!("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$0\r\n\r\n:{port}\r\n"),
            // As many answers as there are commands.
            false => format!("-{code} 1 :{port}\r\n").repeat(command.matches('*').count()),
        });
        let url = format!("redis+cluster://{address}");
        let opened = in_time(move || RedisStorage::builder(&url).timeout(SOON).open());
        assert_failed(opened, Unavailable, "disagree");
    }
}

#[test]
fn a_url_that_cannot_be_used_is_not_repeated() {
    let urls = [
        format!("http://:{SECRET}@localhost"),
        format!("redis://:{SECRET}/x@localhost"),
        format!("redis://:{SECRET}#x@localhost"),
        format!("redis://:x?{SECRET}@localhost"),
        format!("redis://:{SECRET}@localhost?password={SECRET}"),
        format!("redis://:{SECRET}@localhost:port"),
        SECRET.to_owned(),
    ];
    for url in urls {
        assert_failed(RedisStorage::open(&url), Unsupported, "");
    }
}

#[test]
fn debug_shows_the_host_and_no_password() {
    let server = RedisServer::builder().password(SECRET).start();
    let builder = RedisStorage::builder(&server.url());
    let told = format!("{builder:?}");
    assert!(
        told.contains(&server.address()) && !told.contains(SECRET),
        "{told}"
    );
    let told = format!("{:?}", builder.open().unwrap());
    assert!(
        told.contains(&server.address()) && !told.contains(SECRET),
        "{told}"
    );
}

#[test]
fn a_server_that_forgets_sessions_is_warned_of() {
    keep_the_log();
    let server = RedisServer::builder().password(SECRET).start();
    let warned = || {
        let logged = logged();
        let mut lines = logged.lines();
        lines.any(|line| line.starts_with("WARN") && line.contains(&server.address()))
    };
    RedisStorage::open(&server.url()).unwrap();
    assert!(!warned());
    server.config_set("maxmemory-policy", "volatile-lru");
    RedisStorage::open(&server.url()).unwrap();
    assert!(warned());
    assert!(!logged().contains(SECRET));
}

/// A store on the shared server with a session in it, and the key of that.
fn session_of_its_own() -> (RedisStorage, String) {
    let prefix = unique_prefix();
    let store = RedisStorage::builder(&shared().url())
        .key_prefix(&prefix)
        .open()
        .unwrap();
    Only::of(&store).set(Some("before")).unwrap();
    let keys = shared().command(&["KEYS", &format!("{prefix}:{{*}}")]);
    (store, keys.list()[0].text())
}

/// Opens a store at a server that behaves so with each connection, after the first bytes came.
fn open(
    behaves: impl Fn(&mut TcpStream) + Send + Clone + 'static,
    timeout: Duration,
) -> Result<RedisStorage, StorageError> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://:{SECRET}@{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, behaves) = (stream.unwrap(), behaves.clone());
            thread::spawn(move || {
                if stream.read(&mut [0; 1024]).is_ok() {
                    behaves(&mut stream);
                }
            });
        }
    });
    in_time(move || RedisStorage::builder(&url).timeout(timeout).open())
}

/// The address of a server that answers each command so, given its own port.
fn answering(answer: impl Fn(u16, &str) -> String + Send + Sync + 'static) -> String {
    let answer = Arc::new(answer);
    serving(move |port| {
        let answer = Arc::clone(&answer);
        move |command: &str| vec![answer(port, command)]
    })
}

/// The address of a server whose answers come in parts, with a pause between them.
fn answering_in_parts(answer: impl Fn(&str) -> Vec<String> + Send + Sync + 'static) -> String {
    let answer = Arc::new(answer);
    serving(move |_| {
        let answer = Arc::clone(&answer);
        move |command: &str| answer(command)
    })
}

/// The address of a server that has something to answer with for each connection.
fn answering_each<A: Fn(&str) -> String + Send + 'static>(
    connected: impl Fn() -> A + Send + 'static,
) -> String {
    serving(move |_| {
        let answer = connected();
        move |command: &str| vec![answer(command)]
    })
}

fn serving<A: Fn(&str) -> Vec<String> + Send + 'static>(
    connected: impl Fn(u16) -> A + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = connected(address.port());
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut command = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut command) {
                    let command = String::from_utf8_lossy(&command[..read]);
                    for (at, part) in answer(&command).iter().enumerate() {
                        // An answer that is lost.
                        if part.is_empty() {
                            return;
                        }
                        if at > 0 {
                            thread::sleep(PART);
                        }
                        if stream.write_all(part.as_bytes()).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    address.to_string()
}

/// Says this and waits.
fn says(answer: Vec<u8>) -> impl Fn(&mut TcpStream) + Send + Clone {
    move |stream| {
        let _ = stream.write_all(&answer);
        thread::sleep(NEVER);
    }
}

/// Says this to whatever comes.
fn answers(answer: Vec<u8>) -> impl Fn(&mut TcpStream) + Send + Clone {
    move |stream| {
        while stream.write_all(&answer).is_ok() {
            if !matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
                break;
            }
        }
    }
}

fn says_and_closes(answer: Vec<u8>) -> impl Fn(&mut TcpStream) + Send + Clone {
    move |stream| {
        let _ = stream.write_all(&answer);
    }
}
