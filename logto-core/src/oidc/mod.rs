//! The protocol, without I/O: requests are built and answers are read; the time is an argument.

pub(crate) mod access_token;
pub(crate) mod access_token_request;
pub(crate) mod authorize;
pub(crate) mod bearer;
pub(crate) mod callback;
pub(crate) mod claims;
pub(crate) mod device;
pub(crate) mod discovery;
pub(crate) mod end_session;
pub(crate) mod id_token;
pub(crate) mod introspect;
pub(crate) mod jwks;
pub(crate) mod jws;
pub(crate) mod jwt;
pub(crate) mod logout_token;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod token;
pub(crate) mod token_exchange;
pub(crate) mod userinfo;
