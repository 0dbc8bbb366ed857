//! A Lua script that the server keeps by its hash.

use std::sync::OnceLock;

use redis::Cmd;

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

    pub(super) fn by_hash(&self, keys: &[&str], arguments: &[&[u8]]) -> Cmd {
        let hash = self
            .hash
            .get_or_init(|| redis::Script::new(self.source).get_hash().to_owned());
        invocation("EVALSHA", hash, keys, arguments)
    }

    /// The server keeps it from then on.
    pub(super) fn by_source(&self, keys: &[&str], arguments: &[&[u8]]) -> Cmd {
        invocation("EVAL", self.source, keys, arguments)
    }
}

fn invocation(command: &str, script: &str, keys: &[&str], arguments: &[&[u8]]) -> Cmd {
    let mut invocation = redis::cmd(command);
    invocation.arg(script).arg(keys.len()).arg(keys);
    for argument in arguments {
        invocation.arg(*argument);
    }
    invocation
}
