//! What the server does in one step. Each script may be sent twice: the second time it changes nothing more.

use std::sync::OnceLock;

use redis::{Pipeline, ToRedisArgs};

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {
        $(pub(crate) static $name: Script = Script::new(include_str!(concat!("scripts/", $file)));)*
    };
}

scripts! {
    SAVE = "save.lua";
    TOUCH = "touch.lua";
    REMOVE = "remove.lua";
    PURGE = "purge.lua";
    INDEX = "index.lua";
    UNINDEX = "unindex.lua";
    LOCK_ACQUIRE = "lock_acquire.lua";
    LOCK_RENEW = "lock_renew.lua";
    LOCK_RELEASE = "lock_release.lua";
}

/// A Lua script that the server keeps by its hash.
pub(crate) struct Script {
    source: &'static str,
    hash: OnceLock<String>,
}

impl Script {
    pub(crate) const fn new(source: &'static str) -> Self {
        Self {
            source,
            hash: OnceLock::new(),
        }
    }

    /// The call by its hash, and the one by its source, for a server that does not have it.
    pub(crate) fn calls(&self, keys: &[&str], arguments: impl ToRedisArgs) -> [Pipeline; 2] {
        let hash = || redis::Script::new(self.source).get_hash().to_owned();
        let by_hash = ("EVALSHA", self.hash.get_or_init(hash).as_str());
        [by_hash, ("EVAL", self.source)].map(|(command, script)| {
            let mut call = Pipeline::with_capacity(2);
            call.cmd(command).arg(script).arg(keys.len()).arg(keys);
            call.arg(&arguments);
            call
        })
    }
}
