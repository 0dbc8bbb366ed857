//! Sign-out at the server
//! ([RP-Initiated Logout, section 2](https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout)).

use url::Url;

use crate::models::SignOutOptions;

/// A longer ID token is not sent: servers refuse URLs of more than 8 or 16 KiB, and `client_id` says
/// enough for the redirect.
const LONGEST_HINT: usize = 6 * 1024;

/// The URL to send the browser to.
pub(crate) fn url(
    mut endpoint: Url,
    client_id: &str,
    id_token: Option<&str>,
    options: &SignOutOptions,
) -> String {
    {
        let mut query = endpoint.query_pairs_mut();
        query.append_pair("client_id", client_id);
        if let Some(hint) = id_token.filter(|token| token.len() <= LONGEST_HINT) {
            query.append_pair("id_token_hint", hint);
        }
        if let Some(uri) = &options.post_logout_redirect_uri {
            query.append_pair("post_logout_redirect_uri", uri);
        }
        if let Some(state) = &options.state {
            query.append_pair("state", state);
        }
    }
    endpoint.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_goes_along_unless_it_is_huge() {
        let endpoint = Url::parse("https://foo.logto.app/oidc/session/end").unwrap();
        let options = SignOutOptions::from("https://example.com/").state("s");
        assert_eq!(
            url(endpoint.clone(), "app", Some("i.d.t"), &options),
            "https://foo.logto.app/oidc/session/end?client_id=app&id_token_hint=i.d.t&post_logout_redirect_uri=https%3A%2F%2Fexample.com%2F&state=s"
        );
        let huge = "x".repeat(LONGEST_HINT + 1);
        assert_eq!(
            url(endpoint, "app", Some(&huge), &None.into()),
            "https://foo.logto.app/oidc/session/end?client_id=app"
        );
    }
}
