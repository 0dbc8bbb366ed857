//! What goes over the wire, and what an application hands to the client.

mod access_token_request;
mod audience;
mod device;
mod extra;
mod introspection;
mod logout_token;
mod machine_token_request;
mod numeric_date;
mod oidc;
mod requirements;
mod response;
mod sign_in;
mod sign_out;
pub(crate) mod unique;

pub use access_token_request::AccessTokenRequest;
pub use audience::Audience;
pub use device::{DeviceAuthorization, DeviceSignInOptions};
pub use introspection::Introspection;
pub use logout_token::LogoutTokenClaims;
pub use machine_token_request::MachineTokenRequest;
pub use oidc::{AccessTokenClaims, IdTokenClaims, OidcProviderMetadata};
pub(crate) use requirements::RequiredOrganization;
pub use requirements::{ApiAudience, Requirements};
pub(crate) use response::lifetime;
pub use response::{TokenResponse, UserIdentity, UserInfoResponse};
pub use sign_in::{
    DirectSignIn, FirstScreen, Identifier, InteractionMode, Prompt, SignInOptions, SignedIn,
};
pub use sign_out::{Revocation, SignOut, SignOutOptions};
