//! How the pages for people look.

use crate::http::Response;
use crate::user::FakeUser;

const STYLE: &str = "\
:root{color-scheme:light dark}\
*{box-sizing:border-box}\
body{font:16px/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;\
background:light-dark(#f1f2f6,#141518);color:light-dark(#191c1d,#eff0f3)}\
main{background:light-dark(#fff,#1f2126);width:min(25rem,calc(100vw - 2rem));margin:1rem;padding:2rem;border-radius:1rem;\
box-shadow:0 .25rem 2rem #191c1d1a}\
h1{font-size:1.4rem;margin:0 0 1rem}\
button,input[type=text]{font:inherit;display:block;width:100%;margin:.5rem 0;padding:.7rem 1rem;\
border:1px solid light-dark(#c4c7c7,#44474f);border-radius:.6rem;background:transparent;color:inherit;text-align:left}\
button{cursor:pointer}\
button:hover,button:focus-visible{border-color:light-dark(#5d34f2,#a48cff);outline:2px solid #5d34f240}\
button small{display:block;color:light-dark(#5c5f60,#a9acb4)}\
button.plain{border-color:transparent;color:light-dark(#5c5f60,#a9acb4);text-align:center}\
code{font-size:1.2em;letter-spacing:.08em}\
p.note{color:light-dark(#5c5f60,#a9acb4);font-size:.85rem;margin:1.5rem 0 0}";

/// A card in the middle of the page.
pub(super) fn card(title: &str, content: &str) -> Response {
    let title = escape(title);
    Response::html(format!(
        "<!DOCTYPE html>\n\
         <html lang=\"en\">\n\
         <meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n\
         <style>{STYLE}</style>\n\
         <main>\n\
         <h1>{title}</h1>\n\
         {content}\
         <p class=\"note\">This is a fake Logto server for tests. It asks for no password.</p>\n\
         </main>\n"
    ))
    .header("Cache-Control", "no-store")
}

/// A form that sends a hidden value and the `user` whose button is clicked, or what else is offered.
pub(super) fn choice(
    action: &str,
    (name, value): (&str, &str),
    users: &[FakeUser],
    (other, label): (&str, &str),
) -> String {
    let buttons: String = users.iter().map(button).collect();
    format!(
        "<form method=\"post\" action=\"{action}\">\n\
         <input type=\"hidden\" name=\"{name}\" value=\"{}\">\n\
         {buttons}\
         <button class=\"plain\" name=\"{other}\" value=\"yes\">{label}</button>\n\
         </form>\n",
        escape(value)
    )
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn button(user: &FakeUser) -> String {
    let (id, name) = (escape(&user.id), escape(user.display_name()));
    let email = user.email.as_deref().map(escape).unwrap_or_default();
    format!("<button name=\"user\" value=\"{id}\">{name}<small>{email}</small></button>\n")
}
