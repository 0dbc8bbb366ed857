//! What the server does in one step. Each script may be sent twice: the second time it changes nothing more.

use crate::server::Script;

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
