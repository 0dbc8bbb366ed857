//! Every way in which a refresh can fail: what the caller gets, what is stored, and what the next call
//! does. What can be wrong with the answer itself is fed in `tests/conformance/inputs_refresh.rs`.

mod scene;

mod meanwhile;
mod sending;
mod storing;

#[path = "../support/held_answer.rs"]
mod held_answer;
#[path = "../support/hooked.rs"]
mod hooked;
