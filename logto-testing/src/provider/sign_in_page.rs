//! The page where one of the users is chosen by a click.

use std::collections::VecDeque;

use url::form_urlencoded;

use super::authorization::sign_in;
use super::authorization_request::AuthorizationRequest;
use super::error::{OidcError, required};
use super::{Provider, lock};
use crate::http::{Params, Request, Response};
use crate::random::token;
use crate::user::FakeUser;

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
    let interaction = escape(request.query.get("interaction").unwrap_or_default());
    let people = provider.people();
    let buttons: String = people.all().iter().map(button).collect();
    Response::html(format!(
        "<!DOCTYPE html>\n\
         <html lang=\"en\">\n\
         <meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Sign in</title>\n\
         <style>body{{font:1.1rem system-ui;max-width:24rem;margin:4rem auto;padding:0 1rem}}\
         button{{font:inherit;display:block;width:100%;margin:.5rem 0;padding:.7rem}}</style>\n\
         <h1>Sign in as</h1>\n\
         <form method=\"post\" action=\"{PATH}\">\n\
         <input type=\"hidden\" name=\"interaction\" value=\"{interaction}\">\n\
         {buttons}</form>\n\
         <p>This is a fake Logto server for tests. It asks for no password.</p>\n"
    ))
}

pub(super) fn choose(provider: &Provider, request: &Request) -> Result<Response, OidcError> {
    let gone = || OidcError::invalid_request("interaction session not found");
    let form = request.form.as_ref().ok_or_else(gone)?;
    let interaction = required(form, "interaction")?;
    let user = required(form, "user")?;
    if provider.people().get(user).is_none() {
        return Err(OidcError::invalid_request("there is no such user"));
    }
    let params = lock(&provider.interactions)
        .get(interaction)
        .cloned()
        .ok_or_else(gone)?;
    let response = match AuthorizationRequest::read(provider, &params) {
        Ok(asked) => sign_in(provider, &asked, user),
        Err(refusal) => return refusal.into_answer(),
    };
    lock(&provider.interactions).end(interaction);
    Ok(response)
}

fn button(user: &FakeUser) -> String {
    let (id, name) = (escape(&user.id), escape(user.display_name()));
    format!("<button name=\"user\" value=\"{id}\">{name}</button>\n")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
