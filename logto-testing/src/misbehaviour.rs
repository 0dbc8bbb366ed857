//! What can go wrong, on request.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::endpoint::Endpoint;
use crate::http::{Delivery, Reply, Response};

/// A way for an endpoint to fail, for [`FakeLogto::misbehave`](crate::FakeLogto::misbehave).
///
/// Whether the server did what was asked before it failed makes a difference for requests that
/// must not be repeated; each says so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// Answers with this status and an OAuth error to match, and does nothing.
    Status(u16),
    /// The same, with a `Retry-After` header.
    StatusWithRetryAfter {
        /// The status.
        status: u16,
        /// The seconds after which to try again.
        seconds: u64,
    },
    /// Answers with this status and OAuth error, and does nothing.
    Error {
        /// The status.
        status: u16,
        /// The member `error`.
        error: String,
        /// The member `error_description`.
        description: String,
    },
    /// Answers 200 with broken JSON, and does nothing.
    Garbage,
    /// Answers 200 with an HTML page, as the sign-in page of a hotel's network does, and does
    /// nothing.
    Html,
    /// Answers with a redirect, and does nothing.
    Redirect {
        /// The status, such as 307.
        status: u16,
        /// Where to.
        location: String,
    },
    /// Answers with JSON that does not end before the client closes the connection (or 64 MiB),
    /// and does nothing.
    HugeBody,
    /// Does what is asked, and answers after this time.
    Slow(Duration),
    /// Does what is asked, and answers one byte at a time, with this time between them.
    Drip(Duration),
    /// Closes the connection, and does nothing: what a request meets that is sent into a
    /// connection which the server was about to close.
    CloseUnprocessed,
    /// Does what is asked, and closes the connection without an answer.
    CloseBeforeResponse,
    /// Does what is asked, and closes the connection in the middle of the answer.
    CloseMidResponse,
    /// Does what is asked, and never answers; the connection stays open.
    NeverAnswer,
    /// Token endpoint: signs with a key that is not the one its `kid` names.
    WrongSignature,
    /// Token endpoint: signs with a key that is not in the key set, and names it.
    UnknownKey,
    /// Token endpoint: issues an ID token that expired an hour ago.
    ExpiredIdToken,
}

pub(crate) type TamperIdToken =
    Arc<dyn Fn(&mut Map<String, Value>, &mut Map<String, Value>) + Send + Sync>;
pub(crate) type TamperResponse = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// What is to go wrong next.
#[derive(Default)]
pub(crate) struct Misbehaviours {
    planned: HashMap<Endpoint, VecDeque<Planned>>,
    id_token: Option<TamperIdToken>,
    key_set: Option<Value>,
    responses: HashMap<Endpoint, TamperResponse>,
}

struct Planned {
    /// How many times still; endless if none.
    times: Option<usize>,
    misbehaviour: Misbehaviour,
}

impl Misbehaviours {
    /// Adds to what is planned for the endpoint, in place of one without an end.
    pub(crate) fn plan(
        &mut self,
        endpoint: Endpoint,
        times: Option<usize>,
        misbehaviour: Misbehaviour,
    ) {
        let planned = self.planned.entry(endpoint).or_default();
        planned.retain(|one| one.times.is_some());
        if times != Some(0) {
            planned.push_back(Planned {
                times,
                misbehaviour,
            });
        }
    }

    pub(crate) fn next(&mut self, endpoint: Endpoint) -> Option<Misbehaviour> {
        let planned = self.planned.get_mut(&endpoint)?;
        let first = planned.front_mut()?;
        let misbehaviour = first.misbehaviour.clone();
        if let Some(times) = &mut first.times {
            *times -= 1;
            if *times == 0 {
                planned.pop_front();
            }
        }
        Some(misbehaviour)
    }

    pub(crate) fn tamper_id_token(&mut self, tamper: TamperIdToken) {
        self.id_token = Some(tamper);
    }

    pub(crate) fn set_key_set(&mut self, key_set: Value) {
        self.key_set = Some(key_set);
    }

    pub(crate) fn tamper_response(&mut self, endpoint: Endpoint, tamper: TamperResponse) {
        self.responses.insert(endpoint, tamper);
    }

    pub(crate) fn id_token_tampering(&self) -> Option<TamperIdToken> {
        self.id_token.clone()
    }

    pub(crate) fn key_set(&self) -> Option<Value> {
        self.key_set.clone()
    }

    pub(crate) fn response_tampering(&self, endpoint: Endpoint) -> Option<TamperResponse> {
        self.responses.get(&endpoint).cloned()
    }
}

impl Misbehaviour {
    /// What is answered without looking at the request, if that is the misbehaviour.
    pub(crate) fn instead(&self) -> Option<Reply> {
        let response = match self {
            Self::Status(status) => error(*status, name_of(*status), "made up by the test"),
            Self::StatusWithRetryAfter { status, seconds } => {
                error(*status, name_of(*status), "made up by the test")
                    .header("Retry-After", seconds.to_string())
            }
            Self::Error {
                status,
                error: name,
                description,
            } => error(*status, name, description),
            Self::Garbage => {
                Response::new(200, "application/json; charset=utf-8", "{\"keys\": [nul")
            }
            Self::Html => Response::html("<!DOCTYPE html><title>Welcome</title><p>Room number?"),
            Self::Redirect { status, location } => {
                Response::empty(*status).header("Location", location.clone())
            }
            Self::HugeBody => return Some(Reply::new(Response::empty(200), Delivery::Endless)),
            Self::CloseUnprocessed => {
                return Some(Reply::new(Response::empty(200), Delivery::Nothing));
            }
            _ => return None,
        };
        Some(Reply::new(response, Delivery::Whole))
    }

    /// How an answer is sent.
    pub(crate) fn delivery(&self) -> Delivery {
        match self {
            Self::Slow(delay) => Delivery::After(*delay),
            Self::Drip(delay) => Delivery::Drip(*delay),
            Self::CloseBeforeResponse => Delivery::Nothing,
            Self::CloseMidResponse => Delivery::Half,
            Self::NeverAnswer => Delivery::Never,
            _ => Delivery::Whole,
        }
    }
}

fn error(status: u16, error: &str, description: &str) -> Response {
    Response::json(
        status,
        &json!({
            "code": format!("oidc.{error}"),
            "message": format!("An OIDC error occurred: oidc.{error}."),
            "error": error,
            "error_description": description,
        }),
    )
}

fn name_of(status: u16) -> &'static str {
    match status {
        401 => "invalid_client",
        403 => "access_denied",
        429 | 503 => "temporarily_unavailable",
        400..500 => "invalid_request",
        _ => "server_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_ones_come_in_order_and_then_the_endless_one() {
        let mut misbehaviours = Misbehaviours::default();
        misbehaviours.plan(Endpoint::Token, None, Misbehaviour::Html);
        misbehaviours.plan(Endpoint::Token, Some(2), Misbehaviour::Status(500));
        misbehaviours.plan(Endpoint::Token, None, Misbehaviour::Garbage);
        let mut next = || misbehaviours.next(Endpoint::Token);
        assert_eq!(next(), Some(Misbehaviour::Status(500)));
        assert_eq!(next(), Some(Misbehaviour::Status(500)));
        assert_eq!(next(), Some(Misbehaviour::Garbage));
        assert_eq!(next(), Some(Misbehaviour::Garbage));
        assert_eq!(misbehaviours.next(Endpoint::Jwks), None);
    }
}
