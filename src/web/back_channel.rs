//! Logto tells of a sign-out, by itself and without the browser.

use http::Request;
use http::header::CONTENT_TYPE;

use super::Inner;
use super::respond::Response;
use crate::Logto;

impl Inner {
    pub(super) fn back_channel_logout<B: AsRef<[u8]>>(&self, request: &Request<B>) -> Response {
        let content_type = request.headers().get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let body = request.body().as_ref();
        let ended = self
            .logto
            .handle_back_channel_logout(&self.storage, content_type, body);
        match &ended {
            Ok(count) => log::info!("Logto has ended {count} sessions"),
            Err(error) => log::warn!("a logout request has failed: {error}"),
        }
        Logto::back_channel_logout_response(&ended).map(String::into_bytes)
    }
}
