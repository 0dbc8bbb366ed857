//! The look: light or dark, as the system is or the user says.

use eframe::egui::{
    Color32, Context, CornerRadius, FontId, Stroke, Style, TextStyle, Theme, ThemePreference, Vec2,
    Visuals,
};

use crate::Failure;
use crate::settings::variable;

pub const RADIUS: u8 = 10;
pub const ACCENT: Color32 = Color32::from_rgb(0x5b, 0x3d, 0xf5);

/// The colours that are not the toolkit's own.
pub struct Palette {
    pub background: Color32,
    pub card: Color32,
    pub border: Color32,
    pub text: Color32,
    pub faint: Color32,
    pub error: Color32,
    /// Behind a text to be copied, and behind initials.
    pub inset: Color32,
    button: Color32,
    button_hovered: Color32,
}

const LIGHT: Palette = Palette {
    background: Color32::from_rgb(0xf5, 0xf5, 0xfa),
    card: Color32::WHITE,
    border: Color32::from_rgb(0xe2, 0xe2, 0xec),
    text: Color32::from_rgb(0x1b, 0x1a, 0x26),
    faint: Color32::from_rgb(0x66, 0x65, 0x78),
    error: Color32::from_rgb(0xb4, 0x23, 0x18),
    inset: Color32::from_rgb(0xee, 0xec, 0xfd),
    button: Color32::from_rgb(0xef, 0xef, 0xf6),
    button_hovered: Color32::from_rgb(0xe4, 0xe3, 0xf0),
};

const DARK: Palette = Palette {
    background: Color32::from_rgb(0x14, 0x13, 0x1a),
    card: Color32::from_rgb(0x1e, 0x1d, 0x27),
    border: Color32::from_rgb(0x32, 0x30, 0x3f),
    text: Color32::from_rgb(0xee, 0xed, 0xf6),
    faint: Color32::from_rgb(0xa2, 0xa0, 0xb4),
    error: Color32::from_rgb(0xff, 0x8b, 0x80),
    inset: Color32::from_rgb(0x2b, 0x26, 0x4a),
    button: Color32::from_rgb(0x2d, 0x2b, 0x3a),
    button_hovered: Color32::from_rgb(0x3a, 0x38, 0x4b),
};

impl Palette {
    pub fn of(visuals: &Visuals) -> &'static Self {
        match visuals.dark_mode {
            true => &DARK,
            false => &LIGHT,
        }
    }
}

/// Sets the look of both themes. `LOGTO_WINDOW_THEME` is `light` or `dark` where it is not to be as
/// the system is.
pub fn apply(ctx: &Context) -> Result<(), Failure> {
    ctx.style_mut_of(Theme::Light, |style| set(style, &LIGHT));
    ctx.style_mut_of(Theme::Dark, |style| set(style, &DARK));
    ctx.options_mut(|options| options.fallback_theme = Theme::Light);
    ctx.set_theme(preference(variable("LOGTO_WINDOW_THEME").as_deref())?);
    Ok(())
}

fn preference(theme: Option<&str>) -> Result<ThemePreference, Failure> {
    match theme {
        None => Ok(ThemePreference::System),
        Some("light") => Ok(ThemePreference::Light),
        Some("dark") => Ok(ThemePreference::Dark),
        Some(other) => Err(format!("LOGTO_WINDOW_THEME is {other:?}, not light or dark").into()),
    }
}

fn set(style: &mut Style, palette: &Palette) {
    style.text_styles = [
        (TextStyle::Small, FontId::proportional(12.5)),
        (TextStyle::Body, FontId::proportional(14.5)),
        (TextStyle::Button, FontId::proportional(14.5)),
        (TextStyle::Heading, FontId::proportional(24.0)),
        (TextStyle::Monospace, FontId::monospace(12.5)),
    ]
    .into();
    style.spacing.item_spacing = Vec2::new(10.0, 8.0);
    style.spacing.button_padding = Vec2::new(14.0, 8.0);
    let visuals = &mut style.visuals;
    visuals.panel_fill = palette.background;
    visuals.override_text_color = None;
    visuals.error_fg_color = palette.error;
    visuals.weak_text_color = Some(palette.faint);
    visuals.selection.bg_fill = ACCENT.gamma_multiply(0.35);
    let widgets = &mut visuals.widgets;
    widgets.noninteractive.bg_stroke = Stroke::new(1.0, palette.border);
    for (state, fill) in [
        (&mut widgets.noninteractive, palette.card),
        (&mut widgets.inactive, palette.button),
        (&mut widgets.hovered, palette.button_hovered),
        (&mut widgets.active, palette.button_hovered),
    ] {
        state.weak_bg_fill = fill;
        state.fg_stroke.color = palette.text;
        state.corner_radius = CornerRadius::same(8);
        state.expansion = 0.0;
    }
    for state in [
        &mut widgets.inactive,
        &mut widgets.hovered,
        &mut widgets.active,
    ] {
        state.bg_stroke = Stroke::new(1.0, palette.border);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_that_there_is_not_is_an_error() {
        assert_eq!(preference(None).unwrap(), ThemePreference::System);
        assert_eq!(preference(Some("dark")).unwrap(), ThemePreference::Dark);
        assert!(preference(Some("Dark")).is_err());
    }
}
