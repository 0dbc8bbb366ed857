//! Guides: what concerns more than one module.

// Without the features that they tell of, they cannot link to them.
#![cfg_attr(
    not(all(
        feature = "desktop",
        feature = "file",
        feature = "redis",
        feature = "rouille",
        feature = "sqlite-system",
        feature = "platform-verifier",
        feature = "native-tls"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]

#[doc = include_str!("guides/many_machines.md")]
pub mod many_machines {}

#[doc = include_str!("guides/performance.md")]
pub mod performance {}

#[doc = include_str!("guides/web_application.md")]
pub mod web_application {}

#[doc = include_str!("guides/desktop.md")]
pub mod desktop {}

#[doc = include_str!("guides/command_line.md")]
pub mod command_line {}

#[doc = include_str!("guides/api_server.md")]
pub mod api_server {}

#[doc = include_str!("guides/organizations.md")]
pub mod organizations {}

#[doc = include_str!("guides/behind_a_proxy.md")]
pub mod behind_a_proxy {}

#[doc = include_str!("guides/private_ca.md")]
pub mod private_ca {}
