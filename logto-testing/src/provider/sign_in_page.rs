//! The page where one of the users is chosen by a click.

use std::collections::VecDeque;

use url::form_urlencoded;

use super::authorization::sign_in;
use super::authorization_request::AuthorizationRequest;
use super::error::{OidcError, required};
use super::page::{card, choice};
use super::{Provider, lock};
use crate::http::{Params, Request, Response};
use crate::random::token;

pub(super) const PATH: &str = "/sign-in";

/// How many sign-ins can be under way.
const CAPACITY: usize = 1000;

/// Sign-ins under way: what was asked for, by the id in the page's address.
#[derive(Debug, Default)]
pub(super) struct Interactions(VecDeque<(String, Params)>);

impl Interactions {
    fn begin(&mut self, params: Params) -> String {
        if self.0.len() >= CAPACITY {
            self.0.pop_front();
        }
        let id = token();
        self.0.push_back((id.clone(), params));
        id
    }

    fn get(&self, id: &str) -> Option<&Params> {
        self.0
            .iter()
            .find(|(known, _)| known == id)
            .map(|(_, params)| params)
    }

    fn end(&mut self, id: &str) {
        self.0.retain(|(known, _)| known != id);
    }
}

/// Sends the browser to the page.
pub(super) fn redirect(
    provider: &Provider,
    asked: &AuthorizationRequest<'_>,
    params: Params,
) -> Response {
    let interaction = lock(&provider.interactions).begin(params);
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("app_id", &asked.app.id)
        .append_pair("interaction", &interaction)
        .finish();
    Response::redirect(format!("{PATH}?{query}"))
}

pub(super) fn show(provider: &Provider, request: &Request) -> Response {
    let interaction = request.query.get("interaction").unwrap_or_default();
    let people = provider.people();
    let form = choice(
        PATH,
        ("interaction", interaction),
        people.all(),
        ("cancel", "Cancel"),
    );
    card("Sign in as", &form)
}

/// Goes back to the application with a code, or with an error if the user would rather not.
pub(super) fn choose(provider: &Provider, request: &Request) -> Result<Response, OidcError> {
    let gone = || OidcError::invalid_request("interaction session not found");
    let form = request.form.as_ref().ok_or_else(gone)?;
    let interaction = required(form, "interaction")?;
    let params = lock(&provider.interactions)
        .get(interaction)
        .cloned()
        .ok_or_else(gone)?;
    let response = match AuthorizationRequest::read(provider, &params) {
        Ok(asked) if form.get("cancel").is_some() => asked.back.with_error(aborted()),
        Ok(asked) => sign_in(provider, &asked, known_user(provider, form)?),
        Err(refusal) => return refusal.into_answer(),
    };
    lock(&provider.interactions).end(interaction);
    Ok(response)
}

fn known_user<'a>(provider: &Provider, form: &'a Params) -> Result<&'a str, OidcError> {
    let user = required(form, "user")?;
    match provider.people().get(user) {
        Some(_) => Ok(user),
        None => Err(OidcError::invalid_request("there is no such user")),
    }
}

fn aborted() -> OidcError {
    OidcError::access_denied("End-User aborted interaction")
}
