//! The crate `openidconnect` as a program that takes part, by the steps of its documentation.
//! `openidconnect-worker <endpoint>` does what it is told; with `cold` it prints one sign-in URL.

use std::hint::black_box;
use std::str::FromStr as _;

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreIdToken, CoreIdTokenVerifier, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreTokenResponse,
};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, Scope, TokenResponse as _,
};
use worker::{Work, Worker};

const REDIRECT_URI: &str = "http://127.0.0.1:3000/callback";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let endpoint = arguments.next().expect("the server's address");
    let peer = Peer {
        issuer: IssuerUrl::new(format!("{endpoint}/oidc")).unwrap(),
        agent: ureq::AgentBuilder::new().redirects(0).build(),
    };
    match arguments.next() {
        Some(_) => println!("{}", sign_in(&peer.client()).url),
        None => worker::run(peer),
    }
}

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

#[derive(Clone)]
struct Peer {
    issuer: IssuerUrl,
    agent: ureq::Agent,
}

/// What a program must keep between the two halves of a sign-in.
struct SignIn {
    url: String,
    state: CsrfToken,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

impl Worker for Peer {
    fn prepare(&mut self, row: &str) -> Option<Work> {
        Some(match row {
            "verify-es384" => self.verify("ES384"),
            "verify-es256" => self.verify("ES256"),
            "verify-rs256" => self.verify("RS256"),
            "url" | "url-alone" => {
                let client = self.client();
                Box::new(move || {
                    black_box(sign_in(&client));
                })
            }
            "url-new" => {
                let peer = self.clone();
                Box::new(move || {
                    black_box(sign_in(&peer.client()));
                })
            }
            "callback-one" => {
                let (peer, client) = (self.clone(), self.client());
                Box::new(move || peer.finish(&client, sign_in(&client), "").unwrap())
            }
            "callback-new" => {
                let peer = self.clone();
                Box::new(move || {
                    let sign_in = sign_in(&peer.client());
                    peer.finish(&peer.client(), sign_in, "").unwrap();
                })
            }
            _ => return None,
        })
    }

    fn is_refused(&mut self, defect: &str) -> Option<bool> {
        let client = self.client();
        Some(self.finish(&client, sign_in(&client), defect).is_err())
    }
}

impl Peer {
    fn client(&self) -> Client {
        let metadata = CoreProviderMetadata::discover(&self.issuer, &self.agent).unwrap();
        let secret = Some(ClientSecret::new("secret".to_owned()));
        CoreClient::from_provider_metadata(metadata, ClientId::new("app".to_owned()), secret)
            .set_redirect_uri(RedirectUrl::new(REDIRECT_URI.to_owned()).unwrap())
    }

    fn verify(&self, algorithm: &str) -> Work {
        let client = self.client();
        let tokens = self.exchange(&client, format!("{algorithm}~nonce"), None);
        let token = tokens.id_token().unwrap().to_string();
        let nonce = Nonce::new("nonce".to_owned());
        Box::new(move || {
            let token = CoreIdToken::from_str(&token).unwrap();
            black_box(token.claims(&verifier(&client), &nonce).unwrap());
        })
    }

    fn exchange(
        &self,
        client: &Client,
        code: String,
        verifier: Option<PkceCodeVerifier>,
    ) -> CoreTokenResponse {
        let mut request = client.exchange_code(AuthorizationCode::new(code)).unwrap();
        if let Some(verifier) = verifier {
            request = request.set_pkce_verifier(verifier);
        }
        request.request(&self.agent).unwrap()
    }

    fn finish(&self, client: &Client, sign_in: SignIn, defect: &str) -> Result<(), String> {
        let nonce = worker::parameter(&sign_in.url, "nonce");
        let code = format!("ES384~{nonce}~{defect}");
        let returned = worker::parameter(&sign_in.url, "state");
        assert_eq!(sign_in.state.secret(), returned);
        let tokens = self.exchange(client, code, Some(sign_in.verifier));
        let token = tokens.id_token().ok_or("no ID token")?;
        let verifier = verifier(client);
        let claims = token.claims(&verifier, &sign_in.nonce);
        let claims = claims.map_err(|error| error.to_string())?;
        if let Some(expected) = claims.access_token_hash() {
            let algorithm = token.signing_alg().map_err(|error| error.to_string())?;
            let key = token
                .signing_key(&verifier)
                .map_err(|error| error.to_string())?;
            let actual = AccessTokenHash::from_token(tokens.access_token(), algorithm, key);
            if actual.map_err(|error| error.to_string())? != *expected {
                return Err("another access token".to_owned());
            }
        }
        black_box(claims);
        Ok(())
    }
}

fn sign_in(client: &Client) -> SignIn {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let (url, state, nonce) = client
        .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
        .add_scope(Scope::new("offline_access".to_owned()))
        .add_scope(Scope::new("profile".to_owned()))
        .add_extra_param("prompt", "consent")
        .set_pkce_challenge(challenge)
        .url();
    SignIn {
        url: url.into(),
        state,
        nonce,
        verifier,
    }
}

fn verifier(client: &Client) -> CoreIdTokenVerifier<'_> {
    use CoreJwsSigningAlgorithm::{EcdsaP256Sha256, EcdsaP384Sha384, RsaSsaPkcs1V15Sha256};

    let verifier = client.id_token_verifier();
    verifier.set_allowed_algs([EcdsaP256Sha256, EcdsaP384Sha384, RsaSsaPkcs1V15Sha256])
}
