//! Guides to topics that span modules.
//!
//! | you write | read |
//! | --- | --- |
//! | a web application | [`web_application`] |
//! | a program on the user's machine, with a window or without | [`desktop`] |
//! | commands and scripts | [`command_line`] |
//! | an API that is called with access tokens | [`api_server`] |
//!
//! | you want to | read |
//! | --- | --- |
//! | allow users different things, or have customers with users of their own | [`organizations`] |
//! | run behind a reverse proxy, or reach Logto by a proxy | [`behind_a_proxy`] |
//! | use a Logto of your own, with a private certificate authority or in containers | [`private_ca`] |
//! | go from one process to many machines | [`many_machines`] |
//! | choose where sessions are kept | [`storage_choice`] |
//! | keep them in a database of your own | [`writing_a_backend`] |
//! | know what it costs | [`performance`] |
//! | test your program | [`testing`] |
//! | know what to do when something fails | [`failures`] |
//! | know what is protected from whom | [`threat_model`] |
//! | know the reasons behind the design | [`design`] |
//! | come from Logto's Python SDK | [`migrating_from_python`] |

// Without these features the guides cannot link to their items.
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

#[doc = include_str!("guides/many_machines.md")]
pub mod many_machines {}

#[doc = include_str!("guides/storage_choice.md")]
pub mod storage_choice {}

#[doc = include_str!("guides/writing_a_backend.md")]
pub mod writing_a_backend {}

#[doc = include_str!("guides/performance.md")]
pub mod performance {}

#[doc = include_str!("guides/testing.md")]
pub mod testing {}

#[doc = include_str!("guides/failures.md")]
pub mod failures {}

#[doc = include_str!("guides/threat_model.md")]
pub mod threat_model {}

#[doc = include_str!("guides/migrating_from_python.md")]
pub mod migrating_from_python {}

/// The reasons behind the design: questions and answers.
///
#[doc = include_str!("../DESIGN.md")]
pub mod design {}
