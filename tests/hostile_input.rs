//! Whatever comes from outside, nothing panics, what is refused changes nothing, and no message tells
//! a secret. The inputs are the same in every run; `scripts/fuzz` goes on from here.

mod hostile;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// How many inputs each test tries, and how long each of them can be, in bytes.
const CASES: u32 = 400;
const LONGEST: usize = 400;

#[test]
fn hostile_callback_signs_in_only_if_it_answers_a_sign_in() {
    try_many(hostile::callback::try_bytes);
}

#[test]
fn an_id_token_is_believed_if_it_is_signed_and_of_this_user() {
    try_many(hostile::id_token::try_bytes);
}

#[test]
fn a_key_set_brings_the_keys_that_it_has() {
    try_many(hostile::key_set::try_bytes);
}

#[test]
fn metadata_sends_nothing_where_it_can_be_read() {
    try_many(hostile::metadata::try_bytes);
}

#[test]
fn a_refused_token_response_costs_no_refresh_token() {
    try_many(hostile::token_response::try_bytes);
}

#[test]
fn user_information_is_about_the_user_who_is_signed_in() {
    try_many(hostile::user_info::try_bytes);
}

#[test]
fn hostile_stored_session_is_read_or_corrupt() {
    try_many(hostile::stored_session::try_bytes);
}

fn try_many(try_bytes: fn(&[u8])) {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&vec(any::<u8>(), 0..LONGEST), |bytes| {
        try_bytes(&bytes);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}
