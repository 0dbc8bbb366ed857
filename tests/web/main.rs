//! `logto::web` through its requests and responses, against a fake Logto server; and what attackers try.

mod attacks;
mod failures;
mod guard;
mod routes;
mod scene;
