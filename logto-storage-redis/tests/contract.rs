//! The store keeps the contract on one server and in a cluster, plain and with sealed values, among
//! processes too.

#[path = "common/fixtures.rs"]
mod fixtures;
#[path = "common/server.rs"]
mod server;

use fixtures::{Encrypted, InCluster, OneServer};

mod one_server {
    use super::*;

    logto_testing::session_store_contract!(OneServer);
}

mod cluster {
    use super::*;

    logto_testing::session_store_contract!(InCluster);
}

mod encrypted_on_one_server {
    use super::*;

    logto_testing::session_store_contract!(Encrypted<OneServer>);
}

mod encrypted_in_cluster {
    use super::*;

    logto_testing::session_store_contract!(Encrypted<InCluster>);
}
