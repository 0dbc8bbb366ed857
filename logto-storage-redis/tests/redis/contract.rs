//! The contract on one server and in a cluster, and once encrypted.

use crate::contract_fixtures::{Encrypted, InCluster, OneServer};

mod one_server {
    use super::*;

    logto_testing::storage_contract!(OneServer);
}

mod cluster {
    use super::*;

    logto_testing::storage_contract!(InCluster);
}

mod encrypted {
    use super::*;

    logto_testing::storage_contract!(Encrypted<OneServer>);
}
