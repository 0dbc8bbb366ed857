//! What is said of each token that is not among the good ones.

use logto_core::{IdTokenError, JwtError};

use crate::table::Verdict;

pub(crate) const HAS_ES512: bool = cfg!(feature = "aws-lc-rs");

pub(crate) type Rows = Vec<(String, Verdict, usize)>;

/// What is said of the tokens that are not among the good ones, where the server has all keys, and how
/// often the keys are fetched for it.
pub(crate) fn rows() -> Rows {
    [
        algorithms(),
        keys(),
        headers(),
        forms(),
        base64(),
        duplicates(),
        times(),
        ecdsa(),
        eddsa(),
        rsa(),
    ]
    .concat()
}

/// Refused for what they say of themselves, which costs no request.
fn unread(tokens: &[&str], error: impl Into<IdTokenError>) -> Rows {
    same(tokens, Err(error.into()), 0)
}

/// Refused once the keys are there.
fn refused(tokens: &[&str], error: impl Into<IdTokenError>) -> Rows {
    same(tokens, Err(error.into()), 1)
}

fn accepted(tokens: &[&str]) -> Rows {
    same(tokens, Ok(()), 1)
}

fn same(tokens: &[&str], verdict: Verdict, fetches: usize) -> Rows {
    let row = |token: &&str| (token.to_string(), verdict.clone(), fetches);
    tokens.iter().map(row).collect()
}

pub(crate) fn not_allowed(algorithm: &str) -> IdTokenError {
    let algorithm = algorithm.to_owned();
    JwtError::AlgorithmNotAllowed { algorithm }.into()
}

pub(crate) fn unsupported() -> JwtError {
    JwtError::AlgorithmUnsupported { algorithm: "ES512" }
}

fn json_error(part: &'static str, reason: &str) -> JwtError {
    let reason = reason.to_owned();
    JwtError::Json { part, reason }
}

const OTHER_TYPE: &str = "a member of another type than expected";

fn algorithms() -> Rows {
    let hmac = [
        "HS256 with the public key as PEM",
        "HS256 with the public key as PEM without its last newline",
        "HS256 with the public key as DER",
        "HS256 with the public key as PKCS1",
        "HS256 with the public key as JWK",
        "HS256 with the modulus",
        "HS256 with the client secret",
    ];
    let unsigned = [
        "RS256 without signature",
        "ES384 without signature",
        "EdDSA without signature",
    ];
    let of_another_key = [
        "RS256 of an EC key",
        "ES256 of a P-384 key",
        "ES384 of a P-256 key",
        "ES384 of an RSA key",
        "EdDSA of a P-384 key",
    ];
    let of_another_algorithm = [
        "RS256 over a PS256 signature",
        "PS256 over a RS256 signature",
        "RS256 over a RS512 signature",
        "PS256 without salt",
    ];
    let mut rows = unread(&hmac, not_allowed("HS256"));
    rows.extend(unread(&["alg none without signature"], not_allowed("none")));
    for name in [
        "none", "None", "nOnE", "NONE", "", "es384", "ES256K", "RS1", "HS512", "EdDSA ", "Ed448",
    ] {
        rows.extend(unread(&[&format!("alg \"{name}\"")], not_allowed(name)));
    }
    rows.extend(refused(&unsigned, JwtError::InvalidSignature));
    rows.extend(refused(&of_another_key, JwtError::NoMatchingKey));
    rows.extend(refused(&of_another_algorithm, JwtError::InvalidSignature));
    rows
}

/// A key that the token brings along, or says where to fetch, never counts.
fn keys() -> Rows {
    let mut rows = refused(&["kid of another key"], JwtError::InvalidSignature);
    rows.extend(refused(
        &["kid of no key", "kid in another case"],
        JwtError::NoMatchingKey,
    ));
    for member in ["jwk", "jku", "x5u", "x5c"] {
        let own = format!("{member} that signed it");
        let nameless = format!("{member} that signed it, without kid");
        rows.extend(refused(&[&own, &nameless], JwtError::InvalidSignature));
        rows.extend(accepted(&[&format!("{member} beside the right signature")]));
    }
    rows
}

fn headers() -> Rows {
    let wrong_type = |typ: &str| JwtError::WrongType {
        typ: Some(typ.to_owned()),
        expected: "an ID token",
    };
    let crit = [
        "crit of exp",
        "crit of b64",
        "crit of nothing",
        "crit of null",
    ];
    let of_numbers = [
        "header with alg of a number",
        "header with kid of a number",
        "header of a list",
    ];
    let mut rows = unread(&crit, JwtError::CriticalHeader { name: "crit" });
    rows.extend(unread(
        &["b64 false", "b64 true"],
        JwtError::CriticalHeader { name: "b64" },
    ));
    rows.extend(accepted(&["typ \"JWT\"", "typ \"jwt\""]));
    for typ in ["at+jwt", "logout+jwt", "application/jwt", ""] {
        rows.extend(unread(&[&format!("typ \"{typ}\"")], wrong_type(typ)));
    }
    rows.extend(unread(
        &["header without alg"],
        json_error("header", "no member \"alg\""),
    ));
    rows.extend(unread(&of_numbers, json_error("header", OTHER_TYPE)));
    rows.extend(unread(
        &["header with more after it"],
        json_error("header", "not JSON"),
    ));
    rows
}

fn forms() -> Rows {
    let no_jwts = ["opaque", "two parts", "four parts", "JSON serialization"];
    let mut rows = unread(&no_jwts, JwtError::NotAJwt);
    rows.extend(unread(&["encrypted"], JwtError::Encrypted));
    rows.extend(unread(
        &["too large"],
        JwtError::TooLarge { limit: 16 * 1024 },
    ));
    rows.extend(accepted(&[
        "almost too large",
        "RS256 by 4096 bits",
        "RS256 by hand",
    ]));
    rows
}

/// The signature is over the parts as they stand: nothing but their form is wrong.
fn base64() -> Rows {
    let mut rows = Vec::new();
    for part in ["header", "payload", "signature"] {
        for defect in [
            "trailing bits",
            "padding",
            "a plus",
            "a slash",
            "a space",
            "a newline in it",
            "a newline at its end",
            "a lone character",
        ] {
            rows.extend(unread(
                &[&format!("{part} with {defect}")],
                JwtError::Base64 { part },
            ));
        }
    }
    rows
}

fn duplicates() -> Rows {
    let header = |name: &str| json_error("header", &format!("{name} stands twice"));
    let payload = |name: &str| json_error("payload", &format!("{name} stands twice"));
    let in_headers = [
        "header with an unknown member twice",
        "header with a member of a member twice",
    ];
    let of_claims = [
        "claims with an unknown member twice",
        "claims with a member of a member twice",
    ];
    let of_sub = [
        "claims with sub twice",
        "claims with sub twice, once in disguise",
    ];
    [
        unread(&["header with alg twice"], header("the member \"alg\"")),
        unread(&["header with kid twice"], header("the member \"kid\"")),
        unread(&in_headers, header("a member")),
        refused(&of_sub, payload("the member \"sub\"")),
        refused(
            &["claims with nbf twice, once null"],
            payload("the member \"nbf\""),
        ),
        refused(&of_claims, payload("a member")),
        accepted(&["claims with the same member in two places"]),
    ]
    .concat()
}

fn times() -> Rows {
    let of = |claim: &str, time: &str| format!("{claim} of {time}");
    let mut rows = Vec::new();
    for time in [
        "1800003600.0",
        "1800003600.5",
        "1.8000036e9",
        "18000036e2",
        "1e15",
        "9223372036854775807",
    ] {
        rows.extend(accepted(&[&of("exp", time)]));
    }
    for time in ["-1", "-0.5"] {
        rows.extend(refused(&[&of("exp", time)], IdTokenError::Expired));
    }
    for time in ["1e400", "-1e400", "NaN", "Infinity"] {
        rows.extend(refused(
            &[&of("exp", time)],
            json_error("payload", "not JSON"),
        ));
    }
    for time in [
        "1e300",
        "9223372036854775808",
        "\"1800003600\"",
        "true",
        "null",
        "[1800003600]",
    ] {
        rows.extend(refused(
            &[&of("exp", time)],
            json_error("payload", OTHER_TYPE),
        ));
    }
    for claim in ["iat", "nbf"] {
        for time in ["1.8e9", "1800000059.9", "1800000060.5"] {
            rows.extend(accepted(&[&of(claim, time)]));
        }
        rows.extend(refused(
            &[&of(claim, "1800000061")],
            IdTokenError::NotYetValid,
        ));
    }
    rows
}

fn ecdsa() -> Rows {
    let mut rows = Vec::new();
    for algorithm in ["ES256", "ES384", "ES512"] {
        for form in [
            "as DER",
            "with r zero",
            "with s zero",
            "of zeros",
            "of ones",
            "with r and s of the order",
            "a byte short",
            "a byte long",
            "with each half a byte long",
            "with its halves swapped",
        ] {
            rows.extend(refused(
                &[&format!("{algorithm} {form}")],
                JwtError::InvalidSignature,
            ));
        }
        // ECDSA has it so: it is the same key's signature over the same message.
        rows.extend(accepted(&[&format!("{algorithm} with -s")]));
    }
    rows.extend(refused(
        &["ES512 with r and the order"],
        JwtError::InvalidSignature,
    ));
    for (token, verdict, fetches) in &mut rows {
        if token.starts_with("ES512") && !HAS_ES512 {
            (*verdict, *fetches) = (Err(unsupported().into()), 0);
        }
    }
    rows
}

fn eddsa() -> Rows {
    let bent = [
        "EdDSA with S and the order",
        "EdDSA with S zero",
        "EdDSA with R of small order",
        "EdDSA of zeros",
        "EdDSA a byte short",
        "EdDSA a byte long",
    ];
    refused(&bent, JwtError::InvalidSignature)
}

fn rsa() -> Rows {
    let bent = [
        "RS256 with garbage after the hash",
        "RS256 without the NULL",
        "RS256 of the bare hash",
        "RS256 a byte short",
        "RS256 a byte long",
        "RS256 with a zero before it",
        "RS256 of zeros",
        "RS256 of the number one",
        "RS256 larger than the modulus",
        "RS256 of an exponent of one",
    ];
    refused(&bent, JwtError::InvalidSignature)
}
