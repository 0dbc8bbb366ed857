//! What sign-ins have in common.

use std::sync::{Arc, PoisonError, RwLock};

use crate::config::LogtoConfig;
use crate::oidc::authorize::{Request, SignInError, SignInOptions};

/// The request of the last sign-in. Most of an application's differ in their random values only, and the
/// rest is half of what a sign-in URL costs.
#[derive(Default)]
pub(super) struct LastRequest(RwLock<Option<Arc<Request>>>);

impl LastRequest {
    /// The request with these options.
    pub fn with(
        &self,
        config: &LogtoConfig,
        options: SignInOptions,
    ) -> Result<Arc<Request>, SignInError> {
        let last = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last.as_ref().filter(|last| *last.options() == options) {
            return Ok(Arc::clone(last));
        }
        drop(last);
        let is_personal = options.login_hint.is_some()
            || options.one_time_token.is_some()
            || !options.extra_params.is_empty();
        let request = Arc::new(Request::new(config, options)?);
        if !is_personal {
            let mut last = self.0.write().unwrap_or_else(PoisonError::into_inner);
            *last = Some(Arc::clone(&request));
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_used_again_for_the_same_options_only() {
        let config = LogtoConfig::new("https://foo.logto.app", "app");
        let last = LastRequest::default();
        let uri = "https://example.com/callback";
        let first = last.with(&config, uri.into()).unwrap();
        let again = last.with(&config, uri.into()).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let foreign = SignInOptions::new(uri).post_redirect_uri("https://elsewhere.com/");
        for bad in ["".into(), "https://example.com/callback#f".into(), foreign] {
            last.with(&config, bad).unwrap_err();
        }
        let other = SignInOptions::new(uri).organization_id("o");
        let other = last.with(&config, other).unwrap();
        assert_eq!(
            *other.options(),
            SignInOptions::new(uri).organization_id("o")
        );
    }

    #[test]
    fn what_is_personal_is_not_remembered() {
        let config = LogtoConfig::new("https://foo.logto.app", "app");
        let options = || SignInOptions::new("https://example.com/callback");
        for personal in [
            options().login_hint("alice@example.com"),
            options().one_time_token("token"),
            options().extra_param("ticket", "1"),
        ] {
            let last = LastRequest::default();
            last.with(&config, personal).unwrap();
            assert!(last.0.read().unwrap().is_none());
        }
    }
}
