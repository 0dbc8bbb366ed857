//! What the server was asked.

use std::collections::VecDeque;

use crate::endpoint::Endpoint;
use crate::http::Request;

/// A request that reached the server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The method, such as `POST`.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The decoded pairs of the query, in order.
    pub query: Vec<(String, String)>,
    /// The decoded pairs of the body, in order; empty if it is neither a form nor a JSON object.
    pub form: Vec<(String, String)>,
    /// The headers as they were sent, in order.
    pub headers: Vec<(String, String)>,
    /// Which TCP connection it came over, counted from 1; 0 for the browser that
    /// [`FakeLogto::authorize`](crate::FakeLogto::authorize) plays.
    pub connection: u64,
}

impl RecordedRequest {
    /// Which endpoint was asked, if it is one.
    pub fn endpoint(&self) -> Option<Endpoint> {
        Endpoint::at(&self.path)
    }

    /// The first value of this name in the query.
    pub fn query_value(&self, name: &str) -> Option<&str> {
        first(&self.query, |key| key == name)
    }

    /// The first value of this name in the body.
    pub fn form_value(&self, name: &str) -> Option<&str> {
        first(&self.form, |key| key == name)
    }

    /// The first header of this name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&str> {
        first(&self.headers, |key| key.eq_ignore_ascii_case(name))
    }

    fn of(request: &Request) -> Self {
        Self {
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.pairs().to_vec(),
            form: request
                .form
                .as_ref()
                .map(|form| form.pairs().to_vec())
                .unwrap_or_default(),
            headers: request.headers.clone(),
            connection: request.connection,
        }
    }
}

/// The latest requests.
#[derive(Debug, Default)]
pub(crate) struct Record(VecDeque<RecordedRequest>);

impl Record {
    /// A server for a demo runs for days.
    const LIMIT: usize = 100_000;

    pub(crate) fn add(&mut self, request: &Request) {
        if self.0.len() == Self::LIMIT {
            self.0.pop_front();
        }
        self.0.push_back(RecordedRequest::of(request));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &RecordedRequest> {
        self.0.iter()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

fn first(pairs: &[(String, String)], matches: impl Fn(&str) -> bool) -> Option<&str> {
    pairs
        .iter()
        .find(|(key, _)| matches(key))
        .map(|(_, value)| value.as_str())
}
