//! What a user with a terminal is shown of a sign-in on another device.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};

use logto_core::DeviceAuthorization;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// The light modules that a QR code has around it.
const MARGIN: usize = 4;

/// Black on white, whatever the terminal's own colours are: few telephones read it the other way.
const BLACK_ON_WHITE: &str = "\x1b[38;5;16;48;5;231m";
const OWN_COLOURS: &str = "\x1b[0m";

/// Writes to the standard error, so that the standard output stays the program's own.
pub(super) fn show(device: &DeviceAuthorization) {
    let mut text = prompt(device);
    if let Some(columns) = columns()
        && let Some(code) = qr_code(device.best_uri(), columns)
    {
        let _ = write!(text, "\n{code}");
    }
    // Whoever has closed it does not want to know.
    let _ = io::stderr().write_all(text.as_bytes());
}

fn prompt(device: &DeviceAuthorization) -> String {
    let mut text = format!(
        "To sign in, open this page on any device:\n\n    {}\n\nand enter the code:\n\n    {}\n",
        device.verification_uri, device.user_code
    );
    if let Some(complete) = &device.verification_uri_complete {
        let _ = write!(
            text,
            "\nOr open this one, and see that it shows the same code:\n\n    {complete}\n"
        );
    }
    text
}

/// How wide the terminal is; `None` if it is none, or none that draws.
fn columns() -> Option<usize> {
    let is_drawing = draws(cfg!(windows), |name| env::var_os(name));
    if !is_drawing || has_ascii_only() || !io::stderr().is_terminal() {
        return None;
    }
    let (width, _) = terminal_size::terminal_size_of(io::stderr())?;
    Some(width.0.into())
}

/// Whether the terminal knows colours and half blocks. The old console of Windows writes the colours'
/// codes out, and says nothing of itself.
fn draws(is_windows: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    match variable("TERM") {
        Some(term) => term != "dumb",
        None => !is_windows || variable("WT_SESSION").is_some(),
    }
}

/// Whether the locale is the one without any letters but English ones.
fn has_ascii_only() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(env::var_os)
        .find(|locale| !locale.is_empty());
    locale.is_some_and(|locale| locale == "C" || locale == "POSIX")
}

/// A QR code of half blocks, two modules in each; `None` if it is wider than so many columns.
fn qr_code(text: &str, columns: usize) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    if code.width() + 2 * MARGIN > columns {
        return None;
    }
    let mut drawing = String::new();
    for line in code.render::<Dense1x2>().build().lines() {
        let _ = writeln!(drawing, "{BLACK_ON_WHITE}{line}{OWN_COLOURS}");
    }
    Some(drawing)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URI: &str = "https://foo.logto.app/device?user_code=FFFT-PVMH";

    #[test]
    fn a_qr_code_is_drawn_where_it_has_room() {
        let drawing = qr_code(URI, 80).unwrap();
        let lines: Vec<_> = drawing
            .lines()
            .map(|line| {
                let line = line.strip_prefix(BLACK_ON_WHITE).unwrap();
                line.strip_suffix(OWN_COLOURS).unwrap()
            })
            .collect();
        let width = lines[0].chars().count();
        assert_eq!(lines.len(), width.div_ceil(2));
        assert!(lines.iter().all(|line| line.chars().count() == width));
        // The margin, and the upper edge of the two finder patterns below it.
        assert!(lines[0].trim().is_empty() && lines[1].trim().is_empty());
        assert!(lines[2].starts_with("    █▀▀▀▀▀█ ") && lines[2].ends_with(" █▀▀▀▀▀█    "));

        assert_eq!(qr_code(URI, width).as_deref(), Some(drawing.as_str()));
        assert_eq!(qr_code(URI, width - 1), None);
        assert_eq!(qr_code(&"x".repeat(10_000), 1000), None);
    }

    #[test]
    fn the_old_console_of_windows_draws_nothing() {
        let only = |name: &'static str, value: &'static str| {
            move |asked: &str| (asked == name).then(|| value.into())
        };
        assert!(!draws(true, |_| None) && draws(false, |_| None));
        assert!(draws(true, only("WT_SESSION", "a-guid")));
        for is_windows in [true, false] {
            assert!(draws(is_windows, only("TERM", "xterm-256color")));
            assert!(!draws(is_windows, only("TERM", "dumb")));
        }
    }
}
