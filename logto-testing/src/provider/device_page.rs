//! The pages where a user enters the code of a device and signs in on it.

use super::error::{OidcError, required};
use super::page::{card, choice, escape};
use super::{Provider, device_authorization};
use crate::http::{Request, Response};

pub(super) const PATH: &str = "/device";

/// Asks for the code, or, if it is in the address already, who signs in.
pub(super) fn show(provider: &Provider, request: &Request) -> Response {
    let now = provider.milliseconds();
    let entered = request.query.get("user_code");
    let pending = entered.filter(|code| {
        let mut kept = provider.store.read();
        kept.grants.devices.pending(code, now).is_some()
    });
    match pending {
        Some(code) => ask_for_user(provider, code),
        None => ask_for_code(entered),
    }
}

pub(super) fn decide(provider: &Provider, request: &Request) -> Result<Response, OidcError> {
    let invalid = |reason| OidcError::invalid_request(reason);
    let form = request
        .form
        .as_ref()
        .ok_or_else(|| invalid("there is no form"))?;
    let code = required(form, "user_code")?;
    let (done, title) = match form.get("deny") {
        Some(_) => (device_authorization::deny(provider, code), "Device refused"),
        None => {
            let user = required(form, "user")?;
            if provider.people().get(user).is_none() {
                return Err(invalid("there is no such user"));
            }
            let approved = device_authorization::approve(provider, code, user);
            (approved, "Device connected")
        }
    };
    match done {
        true => Ok(card(title, "<p>You can go back to the device now.</p>\n")),
        false => Err(invalid("the code was not found")),
    }
}

fn ask_for_user(provider: &Provider, code: &str) -> Response {
    let people = provider.people();
    let form = choice(PATH, ("user_code", code), people.all(), ("deny", "Refuse"));
    card(
        "Sign in on the device as",
        &format!(
            "<p>The device shows <code>{}</code>.</p>\n{form}",
            escape(code)
        ),
    )
}

fn ask_for_code(refused: Option<&str>) -> Response {
    let problem = match refused {
        Some(_) => "<p role=\"alert\">No device waits with this code.</p>\n",
        None => "",
    };
    card(
        "Connect a device",
        &format!(
            "{problem}<form action=\"{PATH}\">\n\
             <label>The code that the device shows\
             <input type=\"text\" name=\"user_code\" autocomplete=\"off\" required autofocus></label>\n\
             <button>Continue</button>\n\
             </form>\n"
        ),
    )
}
