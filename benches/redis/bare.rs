//! The crate `redis` without us, sending what `RedisStorage` sends.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use logto::SessionId;
use logto::storage::PersistKey;
use redis::{Client, Cmd, Connection};

const WRITE: &str = include_str!("../../logto-storage-redis/src/scripts/write.lua");

/// 14 days, and a twentieth of them.
const LIFETIME: u64 = 14 * 24 * 60 * 60 * 1000;

pub struct Bare {
    connection: Connection,
    script: String,
}

impl Bare {
    pub fn connect(url: &str) -> Self {
        let mut connection = Client::open(url).unwrap().get_connection().unwrap();
        let mut load = redis::cmd("SCRIPT");
        let script = load.arg("LOAD").arg(WRITE).query(&mut connection).unwrap();
        Self { connection, script }
    }

    pub fn get(&mut self, id: &SessionId) -> String {
        let key = key(id);
        let mut commands = redis::pipe();
        let field = PersistKey::AccessTokenMap.as_str();
        commands.cmd("HGET").arg(&key).arg(field);
        commands.cmd("PTTL").arg(&key);
        let (value, _): (String, i64) = commands.query(&mut self.connection).unwrap();
        value
    }

    pub fn update(&mut self, id: &SessionId, values: &[(PersistKey, String); 3]) {
        let done: i64 = self
            .command(id, values)
            .query(&mut self.connection)
            .unwrap();
        assert_eq!(done, 0);
    }

    /// Many at once, all with the same values.
    pub fn load(&mut self, ids: &[SessionId], values: &[(PersistKey, String); 3]) {
        let mut commands = redis::pipe();
        for id in ids {
            commands.add_command(self.command(id, values));
        }
        let _: Vec<i64> = commands.query(&mut self.connection).unwrap();
    }

    fn command(&self, id: &SessionId, values: &[(PersistKey, String); 3]) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.script).arg(1).arg(key(id));
        let (lifetime, index_age) = (LIFETIME.to_string(), (LIFETIME / 20).to_string());
        for argument in ["", "", "", &lifetime, &index_age, "", "", "6"] {
            command.arg(argument);
        }
        for (name, value) in values {
            command.arg(name.as_str()).arg(value);
        }
        command
    }
}

fn key(id: &SessionId) -> String {
    format!("logto:{{{}}}", URL_SAFE_NO_PAD.encode(id.digest()))
}
