//! Nothing that is printed or logged has a secret in it.

mod captured;
mod errors;
mod hunt;
mod sign_ins;
mod types;
