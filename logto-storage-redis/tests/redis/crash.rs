//! Processes that write are killed at random moments: every save that returned is there, and none in part.

use crate::contract_fixtures::{InCluster, OneServer};

/// In milliseconds: the lock of a killed process is waited for so long.
const LEASE: u64 = 200;

mod one_server {
    use super::*;

    logto_testing::crash_contract!(OneServer<LEASE>);
}

mod cluster {
    use super::*;

    logto_testing::crash_contract!(InCluster<LEASE>);
}
