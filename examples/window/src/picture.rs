//! A profile picture. Its address and its bytes are whatever the user has made them.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use image::imageops::FilterType;
use image::{ImageReader, Limits};
use ureq::Agent;
use url::{Host, Url};

use crate::Failure;

/// The sides of a picture as it is kept.
pub const SIDE: u32 = 192;
const MAX_BYTES: u64 = 4 * 1024 * 1024;
const MAX_SIDE: u32 = 4096;
const MAX_MEMORY: u64 = 128 * 1024 * 1024;
const WITHIN: Duration = Duration::from_secs(15);

/// A square of red, green, blue and alpha, [`SIDE`] by [`SIDE`].
#[derive(Clone, PartialEq)]
pub struct Picture {
    pub rgba: Arc<[u8]>,
}

impl Picture {
    /// Blocks until it is there.
    pub fn fetch(url: &str) -> Result<Self, Failure> {
        let is_local = is_local(url)?;
        let agent: Agent = Agent::config_builder()
            .timeout_global(Some(WITHIN))
            .https_only(!is_local)
            .max_redirects(if is_local { 0 } else { 3 })
            .build()
            .into();
        let mut response = agent.get(url).call()?;
        let body = response.body_mut().with_config().limit(MAX_BYTES);
        Self::decode(&body.read_to_vec()?)
    }

    /// What is not square is cut at the longer sides.
    fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_MEMORY);
        reader.limits(limits);
        let square = reader
            .decode()?
            .resize_to_fill(SIDE, SIDE, FilterType::Triangle);
        Ok(Self {
            rgba: square.into_rgba8().into_raw().into(),
        })
    }
}

/// Whether the address is this machine's; an error if it is neither that nor https.
fn is_local(url: &str) -> Result<bool, Failure> {
    let url = Url::parse(url)?;
    match (url.scheme(), url.host()) {
        ("https", _) => Ok(false),
        ("http", Some(Host::Ipv4(address))) if address.is_loopback() => Ok(true),
        _ => Err("its address is neither https nor of this machine".into()),
    }
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, ImageFormat};

    use super::*;
    use crate::demo_picture::DemoPicture;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::new_luma8(width, height)
            .write_to(&mut bytes, ImageFormat::Png)
            .unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_picture_of_any_shape_becomes_a_square() {
        for (width, height) in [(1, 1), (40, 900), (900, 40)] {
            let picture = Picture::decode(&png(width, height)).unwrap();
            assert_eq!(picture.rgba.len() as u32, SIDE * SIDE * 4);
        }
    }

    #[test]
    fn what_is_no_picture_or_too_large_is_an_error() {
        assert!(Picture::decode(b"").is_err());
        assert!(Picture::decode(b"<svg/>").is_err());
        assert!(Picture::decode(&png(10, 10)[..40]).is_err());
        assert!(Picture::decode(&png(MAX_SIDE + 1, 1)).is_err());
    }

    #[test]
    fn a_picture_is_fetched_from_this_machine_but_no_more_of_it_than_is_allowed() {
        let server = DemoPicture::serve().unwrap();
        assert!(Picture::fetch(&server.url()).is_ok());
        let mut padded = png(10, 10);
        padded.resize(MAX_BYTES as usize + 1, 0);
        let server = DemoPicture::serve_bytes(padded).unwrap();
        assert!(Picture::fetch(&server.url()).is_err());
    }

    #[test]
    fn only_https_and_this_machine_are_asked_for_pictures() {
        assert!(!is_local("https://example.com/a.png").unwrap());
        assert!(is_local("http://127.0.0.1:3001/a.png").unwrap());
        for url in [
            "http://example.com/a.png",
            "file:///etc/passwd",
            "a.png",
            "",
        ] {
            assert!(Picture::fetch(url).is_err(), "{url}");
        }
    }
}
