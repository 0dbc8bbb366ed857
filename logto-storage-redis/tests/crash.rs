//! A process that writes is killed at a random moment, again and again: what it was told to be written
//! is there, and nothing is there in part. In a cluster it is killed in the middle of renames.

#[path = "common/fixtures.rs"]
mod fixtures;
#[path = "common/server.rs"]
mod server;

use fixtures::{Encrypted, InCluster, OneServer};

/// In milliseconds: a session that was locked when its process was killed is waited for so long.
const LEASE: u64 = 200;

mod one_server {
    use super::*;

    logto_testing::crash_contract!(OneServer<LEASE>);
}

mod cluster {
    use super::*;

    logto_testing::crash_contract!(InCluster<LEASE>);
}

mod encrypted_on_one_server {
    use super::*;

    logto_testing::crash_contract!(Encrypted<OneServer<LEASE>>);
}

mod encrypted_in_cluster {
    use super::*;

    logto_testing::crash_contract!(Encrypted<InCluster<LEASE>>);
}
