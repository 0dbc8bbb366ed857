//! Base64url as JOSE has it ([RFC 7515, section 2](https://www.rfc-editor.org/rfc/rfc7515#section-2)).

use base64::Engine as _;

#[cfg(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", target_feature = "neon")
))]
mod engine {
    use std::sync::LazyLock;

    use base64::engine::Simd;
    use base64::engine::general_purpose::NO_PAD;

    /// Decoding is a third of what we add to a check of an RSA signature without it.
    pub(super) static ENGINE: LazyLock<Simd> = LazyLock::new(|| Simd::url_safe(NO_PAD));
}

#[cfg(not(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", target_feature = "neon")
)))]
mod engine {
    pub(super) use base64::engine::general_purpose::URL_SAFE_NO_PAD as ENGINE;
}

/// What this stands for; `None` if it is not canonical: padding, and trailing bits that say nothing, are
/// refused.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    engine::ENGINE.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    #[test]
    fn every_length_is_decoded() {
        let bytes: Vec<u8> = (0..=255).cycle().take(700).collect();
        for length in 0..bytes.len() {
            let text = URL_SAFE_NO_PAD.encode(&bytes[..length]);
            assert_eq!(decode(&text).as_deref(), Some(&bytes[..length]));
        }
    }

    #[test]
    fn a_foreign_character_is_refused_wherever_it_stands() {
        let text = "A".repeat(200);
        assert!(decode(&text).is_some());
        for place in 0..text.len() {
            for foreign in ["=", "+", "/", " ", "\n", ".", "\0", "@", "[", "`", "{", "é"] {
                let mut text = text.clone();
                text.replace_range(place..place + 1, foreign);
                assert_eq!(decode(&text), None, "{foreign:?} at {place}");
            }
        }
    }

    #[test]
    fn only_the_canonical_form_is_read() {
        for text in ["AB", "AAB", "AA==", "AA=", "A"] {
            let long = "A".repeat(96) + text;
            assert_eq!((decode(text), decode(&long)), (None, None), "{text}");
        }
    }
}
