//! What the server does in one step.

use crate::server::Script;

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {
        $(pub(crate) static $name: Script = Script::new(include_str!(concat!("scripts/", $file)));)*
    };
}

scripts! {
    WRITE = "write.lua";
    REMOVE = "remove.lua";
    PURGE = "purge.lua";
    RENAME = "rename.lua";
    INDEX = "index.lua";
    UNINDEX = "unindex.lua";
    LOCK_ACQUIRE = "lock_acquire.lua";
    LOCK_RENEW = "lock_renew.lua";
    LOCK_RELEASE = "lock_release.lua";
    MOVE_BEGIN = "move_begin.lua";
    MOVE_OFFER = "move_offer.lua";
    MOVE_COMMIT = "move_commit.lua";
    MOVE_FINISH = "move_finish.lua";
    MOVE_FORGET = "move_forget.lua";
    MOVE_JUDGE = "move_judge.lua";
    MOVE_ABORT = "move_abort.lua";
}
