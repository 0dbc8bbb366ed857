//! The least that each row could cost: the bare libraries. `floor <endpoint> <ring | aws-lc-rs>`

use std::collections::HashMap;
use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SecureRandom as _;
use serde::Deserialize;
use serde_json::Value;
use worker::{Work, Worker};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let endpoint = arguments.next().expect("the server's address");
    let backend = arguments.next().expect("the library");
    let agent = ureq::Agent::new_with_defaults();
    let keys: Value = read(agent.get(format!("{endpoint}/oidc/jwks")).call());
    worker::run(Floor {
        endpoint,
        agent,
        check: if backend == "ring" {
            ring_check
        } else {
            aws_lc_rs_check
        },
        keys,
    });
}

/// The check of a message and its signature.
type Check = Box<dyn Fn(&[u8], &[u8])>;

struct Floor {
    endpoint: String,
    agent: ureq::Agent,
    check: fn(&Value) -> Check,
    keys: Value,
}

impl Worker for Floor {
    fn prepare(&mut self, row: &str) -> Option<Work> {
        Some(match row {
            "verify-es384" => self.verify("ES384"),
            "verify-es256" => self.verify("ES256"),
            "verify-rs256" => self.verify("RS256"),
            "cached-one" => look_up(),
            "cached-new" => parse(),
            "url" | "url-alone" | "url-new" => url(),
            "callback-one" | "callback-new" => self.callback(),
            _ => return None,
        })
    }

    fn is_refused(&mut self, _: &str) -> Option<bool> {
        None
    }
}

impl Floor {
    fn check_of(&self, algorithm: &str) -> Check {
        let mut keys = self.keys["keys"].as_array().unwrap().iter();
        (self.check)(keys.find(|key| key["kid"] == algorithm).unwrap())
    }

    fn verify(&self, algorithm: &str) -> Work {
        let check = self.check_of(algorithm);
        let answer: Value = read(request(&self.agent, &self.endpoint, algorithm));
        let token = answer["id_token"].as_str().unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let (message, signature) = (message.to_owned(), decode(signature));
        Box::new(move || check(black_box(message.as_bytes()), &signature))
    }

    /// One request on a connection that is kept, and one signature.
    fn callback(&self) -> Work {
        let check = self.check_of("ES384");
        let (agent, endpoint) = (self.agent.clone(), self.endpoint.clone());
        Box::new(move || {
            let text = request(&agent, &endpoint, "ES384")
                .unwrap()
                .body_mut()
                .read_to_string();
            let text = text.unwrap();
            let token = text
                .split_once(r#""id_token":""#)
                .unwrap()
                .1
                .split_once('"')
                .unwrap()
                .0;
            let (message, signature) = token.rsplit_once('.').unwrap();
            check(message.as_bytes(), &decode(signature));
        })
    }
}

fn request(
    agent: &ureq::Agent,
    endpoint: &str,
    algorithm: &str,
) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
    let form = format!(
        "grant_type=authorization_code&client_id=app&client_secret=secret&code={algorithm}~nonce\
         &code_verifier=v&redirect_uri=http%3A%2F%2F127.0.0.1%3A3000%2Fcallback"
    );
    let request = agent.post(format!("{endpoint}/oidc/token"));
    request
        .content_type("application/x-www-form-urlencoded")
        .send(form)
}

fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Value {
    let text = answer.unwrap().body_mut().read_to_string().unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A token that is there, in a map, with the time until which it is good.
fn look_up() -> Work {
    let map = HashMap::from([(String::new(), ("a".repeat(570), u64::MAX))]);
    Box::new(move || {
        let (token, expires_at) = &map[black_box("")];
        assert!(*expires_at > std::time::UNIX_EPOCH.elapsed().unwrap().as_secs());
        black_box(token.clone());
    })
}

/// The same from its text.
fn parse() -> Work {
    let token = "a".repeat(570);
    let text = format!(r#"{{"x":{{"":{{"token":"{token}","expiresAt":9999999999}}}}}}"#);
    Box::new(move || {
        black_box(serde_json::from_str::<Tokens>(black_box(&text)).unwrap());
    })
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "read from JSON, and not used")]
struct Tokens {
    x: HashMap<String, Token>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "read from JSON, and not used")]
struct Token {
    token: String,
    #[serde(rename = "expiresAt")]
    expires_at: i64,
}

/// State, nonce and verifier, and their place in a text.
fn url() -> Work {
    let random = ring::rand::SystemRandom::new();
    let token = move || {
        let mut bytes = [0; 32];
        random.fill(&mut bytes).unwrap();
        URL_SAFE_NO_PAD.encode(bytes)
    };
    Box::new(move || {
        let (state, nonce, verifier) = (token(), token(), token());
        let challenge = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
        let challenge = URL_SAFE_NO_PAD.encode(challenge);
        black_box(format!(
            "http://127.0.0.1:3000/oidc/auth?client_id=app&redirect_uri=http%3A%2F%2F127.0.0.1%3A3000%2Fcallback&response_type=code&scope=openid+offline_access+profile&code_challenge={challenge}&code_challenge_method=S256&state={state}&nonce={nonce}&prompt=consent"
        ));
    })
}

/// The check of a signature by this key, with as much done beforehand as the library allows.
fn ring_check(key: &Value) -> Check {
    use ring::signature;

    if key["kty"] == "RSA" {
        let (n, e) = (part(key, "n"), part(key, "e"));
        let key = signature::RsaPublicKeyComponents { n, e };
        let parameters = &signature::RSA_PKCS1_2048_8192_SHA256;
        return Box::new(move |message, signature| {
            key.verify(parameters, message, signature).unwrap();
        });
    }
    let algorithm = match key["crv"] == "P-384" {
        true => &signature::ECDSA_P384_SHA384_FIXED,
        false => &signature::ECDSA_P256_SHA256_FIXED,
    };
    let key = signature::UnparsedPublicKey::new(algorithm, point(key));
    Box::new(move |message, signature| key.verify(message, signature).unwrap())
}

fn aws_lc_rs_check(key: &Value) -> Check {
    use aws_lc_rs::signature;

    let key = if key["kty"] == "RSA" {
        let (n, e) = (part(key, "n"), part(key, "e"));
        let key = signature::RsaPublicKeyComponents { n, e };
        key.to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256)
            .unwrap()
    } else {
        let algorithm = match key["crv"] == "P-384" {
            true => &signature::ECDSA_P384_SHA384_FIXED,
            false => &signature::ECDSA_P256_SHA256_FIXED,
        };
        signature::ParsedPublicKey::new(algorithm, point(key)).unwrap()
    };
    Box::new(move |message, signature| key.verify_sig(message, signature).unwrap())
}

fn point(key: &Value) -> Vec<u8> {
    [&[4], &part(key, "x")[..], &part(key, "y")].concat()
}

fn part(key: &Value, name: &str) -> Vec<u8> {
    decode(key[name].as_str().unwrap())
}

fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}
