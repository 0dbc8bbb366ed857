//! The crate `redis` without us, sending what `RedisStorage` sends.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use logto::SessionKey;
use logto::storage::{Record, Version};
use redis::{Client, Cmd, Connection};

const SAVE: &str = include_str!("../../logto-storage-redis/src/scripts/save.lua");

/// 14 days, and how long an index has a session.
const LIFETIME: u64 = 14 * 24 * 60 * 60 * 1000;
const INDEX_SPAN: u64 = LIFETIME + LIFETIME / 10 + 60 * 60 * 1000;

pub struct Bare {
    connection: Connection,
    script: String,
}

impl Bare {
    pub fn connect(url: &str) -> Self {
        let mut connection = Client::open(url).unwrap().get_connection().unwrap();
        let mut load = redis::cmd("SCRIPT");
        let script = load.arg("LOAD").arg(SAVE).query(&mut connection).unwrap();
        Self { connection, script }
    }

    pub fn load(&mut self, session: &SessionKey) -> String {
        let key = key(session);
        let mut commands = redis::pipe();
        let fields = ["version", "owner", "used", "data"];
        commands.cmd("HMGET").arg(&key).arg(&fields);
        commands.cmd("PTTL").arg(&key);
        type Found = (String, String, String, String);
        let ((_, _, _, data), _): (Found, i64) = commands.query(&mut self.connection).unwrap();
        data
    }

    pub fn save(&mut self, session: &SessionKey, record: &Record, expected: Option<Version>) {
        let save = self.command(session, record, expected);
        let saved: i64 = save.query(&mut self.connection).unwrap();
        assert_eq!(saved, 1);
    }

    /// Many new sessions at once, all with the same data.
    pub fn fill(&mut self, sessions: usize, data: &str) {
        let mut commands = redis::pipe();
        for _ in 0..sessions {
            let (session, record) = (logto::SessionId::random().key(), Record::new(None, data));
            commands.add_command(self.command(&session, &record, None));
        }
        let _: Vec<i64> = commands.query(&mut self.connection).unwrap();
    }

    fn command(&self, session: &SessionKey, record: &Record, expected: Option<Version>) -> Cmd {
        let versions = [expected.map(hex).unwrap_or_default(), hex(record.version())];
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.script).arg(1).arg(key(session));
        command.arg(&versions).arg("").arg(record.data());
        command.arg(("", "", LIFETIME, INDEX_SPAN, false));
        command
    }
}

fn key(session: &SessionKey) -> String {
    format!("logto:{{{}}}", URL_SAFE_NO_PAD.encode(session.as_bytes()))
}

fn hex(version: Version) -> String {
    format!("{:032x}", u128::from_be_bytes(*version.as_bytes()))
}
