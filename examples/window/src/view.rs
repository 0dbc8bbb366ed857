//! How it is drawn, and what is clicked.

use eframe::egui::{
    Align, Align2, Button, CentralPanel, Color32, ColorImage, CornerRadius, FontId, Frame, Grid,
    Image, Label, Layout, Margin, Panel, RichText, ScrollArea, Sense, Spinner, Stroke,
    TextureHandle, TextureOptions, Theme, Ui, UiBuilder, Vec2,
};

use crate::api::Answer;
use crate::claims::{display_name, initials, rows};
use crate::picture::{Picture, SIDE};
use crate::session::{Account, Notice, Problem, Session, State, Task};
use crate::theme::{ACCENT, Palette, RADIUS};

/// Wider than this, two cards stand side by side.
const WIDE: f32 = 720.0;
const WIDEST: f32 = 1000.0;
const AVATAR: f32 = 64.0;
/// Beside everything; scroll bars stand in it.
const MARGIN: i8 = 24;
const CARD_MARGIN: i8 = 20;

pub struct Window {
    session: Session,
    /// The server, and where the session is.
    footer: String,
    texture: Option<(Picture, TextureHandle)>,
}

/// What the user has clicked.
enum Click {
    SignIn,
    CancelSignIn,
    CallApi,
    SignOut,
}

impl Window {
    pub fn new(session: Session, footer: String) -> Self {
        Self {
            session,
            footer,
            texture: None,
        }
    }

    fn content(&mut self, ui: &mut Ui) -> Option<Click> {
        match self.session.state() {
            State::Opening => {
                waiting(ui, "One moment", "The session is being opened.");
                None
            }
            State::Broken { reason } => {
                broken(ui, reason);
                None
            }
            State::SignedOut { notice } => signed_out(ui, notice.as_ref()),
            State::SigningIn { url } => signing_in(ui, url.as_deref()),
            State::SignedIn(account) => {
                let avatar = texture(ui, &mut self.texture, account.picture.as_ref());
                signed_in(ui, account, avatar)
            }
        }
    }

    fn act(&mut self, click: &Click) {
        match click {
            Click::SignIn => self.session.sign_in(),
            Click::CancelSignIn => self.session.cancel_sign_in(),
            Click::CallApi => self.session.call_api(),
            Click::SignOut => self.session.sign_out(),
        }
    }
}

impl eframe::App for Window {
    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        self.session.update();
        header(ui);
        footer(ui, &self.footer);
        let frame = Frame::new()
            .fill(Palette::of(ui.visuals()).background)
            .inner_margin(Margin::symmetric(0, 8));
        let click = CentralPanel::default()
            .frame(frame)
            .show(ui, |ui| self.content(ui));
        if let Some(click) = click.inner {
            self.act(&click);
        }
    }
}

fn header(ui: &mut Ui) {
    let frame = Frame::new()
        .fill(Palette::of(ui.visuals()).background)
        .inner_margin(Margin::symmetric(MARGIN, 14));
    let panel = Panel::top("header").frame(frame).show_separator_line(false);
    panel.show(ui, |ui| {
        ui.horizontal(|ui| {
            logo(ui);
            ui.label(RichText::new("Logto window").strong());
            ui.with_layout(Layout::right_to_left(Align::Center), theme_button);
        });
    });
}

fn logo(ui: &mut Ui) {
    let (rect, _) = ui.allocate_exact_size(Vec2::splat(22.0), Sense::empty());
    ui.painter().rect_filled(rect, 6.0, ACCENT);
    let ring = Stroke::new(2.5, Color32::WHITE);
    ui.painter().circle_stroke(rect.center(), 5.0, ring);
}

fn theme_button(ui: &mut Ui) {
    let (name, other) = match ui.visuals().dark_mode {
        true => ("Light", Theme::Light),
        false => ("Dark", Theme::Dark),
    };
    let text = RichText::new(name).small();
    if ui.add(Button::new(text).frame(false)).clicked() {
        ui.ctx().set_theme(other);
    }
}

fn footer(ui: &mut Ui, text: &str) {
    let frame = Frame::new()
        .fill(Palette::of(ui.visuals()).background)
        .inner_margin(Margin::symmetric(MARGIN, 12));
    let panel = Panel::bottom("footer")
        .frame(frame)
        .show_separator_line(false);
    panel.show(ui, |ui| {
        ui.add(Label::new(RichText::new(text).small().weak()).truncate());
    });
}

fn waiting(ui: &mut Ui, title: &str, text: &str) {
    hero(ui, |ui| {
        ui.add(Spinner::new().size(32.0).color(ACCENT));
        ui.add_space(8.0);
        ui.label(RichText::new(title).heading());
        ui.label(RichText::new(text).weak());
    });
}

fn broken(ui: &mut Ui, reason: &str) {
    hero(ui, |ui| {
        ui.label(RichText::new("The session cannot be opened").heading());
        ui.label(RichText::new(reason).color(ui.visuals().error_fg_color));
    });
}

fn signed_out(ui: &mut Ui, notice: Option<&Notice>) -> Option<Click> {
    hero(ui, |ui| {
        ui.label(RichText::new("You are signed out").heading());
        ui.add_space(2.0);
        ui.label(
            RichText::new("Your browser opens to sign you in. This window waits for it.").weak(),
        );
        ui.add_space(14.0);
        let click = primary(ui, "Sign in", true).then_some(Click::SignIn);
        if let Some(notice) = notice {
            ui.add_space(8.0);
            let text = RichText::new(&notice.text);
            ui.label(match notice.is_error {
                true => text.color(ui.visuals().error_fg_color),
                false => text.weak(),
            });
        }
        click
    })
}

fn signing_in(ui: &mut Ui, url: Option<&str>) -> Option<Click> {
    hero(ui, |ui| {
        ui.add(Spinner::new().size(32.0).color(ACCENT));
        ui.add_space(8.0);
        ui.label(RichText::new("Continue in your browser").heading());
        ui.label(RichText::new("If none has opened, open this address in one yourself.").weak());
        ui.add_space(10.0);
        address(ui, url.unwrap_or_default());
        ui.add_space(10.0);
        ui.button("Cancel").clicked().then_some(Click::CancelSignIn)
    })
}

/// The address to copy. Until it is known, its place is empty.
fn address(ui: &mut Ui, url: &str) {
    let palette = Palette::of(ui.visuals());
    let frame = Frame::new()
        .fill(palette.inset)
        .corner_radius(CornerRadius::same(8))
        .inner_margin(Margin::symmetric(12, 10));
    frame.show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let copy = Button::new("Copy").fill(palette.card);
                if ui.add_enabled(!url.is_empty(), copy).clicked() {
                    ui.ctx().copy_text(url.to_owned());
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add(Label::new(RichText::new(url).monospace()).truncate());
                });
            });
        });
    });
}

fn signed_in(ui: &mut Ui, account: &Account, avatar: Option<&TextureHandle>) -> Option<Click> {
    let scroll = ScrollArea::vertical().auto_shrink(false);
    scroll
        .show(ui, |ui| {
            let side = ((ui.available_width() - WIDEST) / 2.0).max(MARGIN.into());
            let column = ui
                .available_rect_before_wrap()
                .shrink2(Vec2::new(side, 0.0));
            let column = UiBuilder::new().max_rect(column);
            ui.scope_builder(column, |ui| account_page(ui, account, avatar))
                .inner
        })
        .inner
}

fn account_page(ui: &mut Ui, account: &Account, avatar: Option<&TextureHandle>) -> Option<Click> {
    let mut click = card(ui, |ui| profile(ui, account, avatar));
    ui.add_space(4.0);
    if ui.available_width() >= WIDE {
        ui.columns_const(|[left, right]| {
            card(left, |ui| id_token(ui, account));
            click = card(right, |ui| api(ui, account)).or(click.take());
        });
    } else {
        click = card(ui, |ui| api(ui, account)).or(click);
        card(ui, |ui| id_token(ui, account));
    }
    ui.add_space(8.0);
    click
}

fn profile(ui: &mut Ui, account: &Account, avatar: Option<&TextureHandle>) -> Option<Click> {
    let name = display_name(&account.claims);
    let click = ui.horizontal(|ui| {
        portrait(ui, name, avatar);
        ui.add_space(4.0);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let click = sign_out_button(ui, account);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.vertical(|ui| names(ui, account, name));
            });
            click
        })
        .inner
    });
    if let Some(reason) = &account.problem {
        ui.label(RichText::new(reason).color(ui.visuals().error_fg_color));
    }
    click.inner
}

fn names(ui: &mut Ui, account: &Account, name: &str) {
    let claims = &account.claims;
    let detail = claims.email.as_deref().unwrap_or(&claims.sub);
    ui.spacing_mut().item_spacing.y = 2.0;
    ui.add_space(8.0);
    ui.add(Label::new(RichText::new(name).heading()).truncate());
    ui.add(Label::new(RichText::new(detail).weak()).truncate());
}

fn sign_out_button(ui: &mut Ui, account: &Account) -> Option<Click> {
    let button = Button::new("Sign out");
    let clicked = ui.add_enabled(account.busy.is_none(), button).clicked();
    if account.busy == Some(Task::SigningOut) {
        ui.add(Spinner::new().color(ACCENT));
    }
    clicked.then_some(Click::SignOut)
}

fn portrait(ui: &mut Ui, name: &str, avatar: Option<&TextureHandle>) {
    let size = Vec2::splat(AVATAR);
    if let Some(texture) = avatar {
        let image = Image::from_texture(texture).fit_to_exact_size(size);
        ui.add(image.corner_radius(CornerRadius::same(AVATAR as u8 / 2)));
        return;
    }
    let (rect, _) = ui.allocate_exact_size(size, Sense::empty());
    let fill = Palette::of(ui.visuals()).inset;
    let text = match ui.visuals().dark_mode {
        true => Color32::WHITE,
        false => ACCENT,
    };
    let font = FontId::proportional(AVATAR * 0.38);
    ui.painter()
        .circle_filled(rect.center(), AVATAR / 2.0, fill);
    ui.painter().text(
        rect.center(),
        Align2::CENTER_CENTER,
        initials(name),
        font,
        text,
    );
}

fn id_token(ui: &mut Ui, account: &Account) {
    title(
        ui,
        "ID token",
        "Who you are, as of the sign-in or the last refresh.",
    );
    table(ui, "id token", &rows(&account.claims));
}

fn api(ui: &mut Ui, account: &Account) -> Option<Click> {
    title(
        ui,
        "API",
        "An access token lets this program call it on your behalf.",
    );
    let is_calling = account.busy == Some(Task::CallingApi);
    let mut click = ui
        .horizontal(|ui| {
            let clicked = primary(ui, "Call the API", account.busy.is_none());
            if is_calling {
                ui.add(Spinner::new().color(ACCENT));
            }
            clicked.then_some(Click::CallApi)
        })
        .inner;
    ui.add_space(4.0);
    match &account.api {
        Some(Ok(answer)) => self::answer(ui, answer),
        Some(Err(problem)) => click = self::problem(ui, problem).or(click),
        None => {}
    }
    click
}

fn answer(ui: &mut Ui, answer: &Answer) {
    match answer {
        Answer::Token(claims) => table(ui, "access token", &rows(claims)),
        Answer::Response { status, body } => {
            ui.label(format!("Status {status}"));
            ui.add(Label::new(RichText::new(body).monospace()).wrap());
        }
    }
}

fn problem(ui: &mut Ui, problem: &Problem) -> Option<Click> {
    ui.label(RichText::new(&problem.reason).color(ui.visuals().error_fg_color));
    let way_out = problem.requires_sign_in && ui.button("Sign in again").clicked();
    way_out.then_some(Click::SignIn)
}

fn title(ui: &mut Ui, title: &str, text: &str) {
    ui.label(RichText::new(title).size(17.0).strong());
    ui.label(RichText::new(text).small().weak());
    ui.add_space(4.0);
}

fn table(ui: &mut Ui, id: &str, rows: &[(String, String)]) {
    let grid = Grid::new(id).num_columns(2).spacing([16.0, 7.0]);
    grid.show(ui, |ui| {
        for (name, text) in rows {
            ui.label(RichText::new(name).small().weak());
            ui.add(Label::new(RichText::new(text).small()).wrap());
            ui.end_row();
        }
    });
}

fn primary(ui: &mut Ui, text: &str, is_enabled: bool) -> bool {
    let text = RichText::new(text).color(Color32::WHITE).strong();
    let button = Button::new(text).fill(ACCENT).stroke(Stroke::NONE);
    let button = button.min_size(Vec2::new(120.0, 36.0));
    ui.add_enabled(is_enabled, button).clicked()
}

/// As wide as there is room.
fn card<R>(ui: &mut Ui, content: impl FnOnce(&mut Ui) -> R) -> R {
    card_frame(ui)
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            content(ui)
        })
        .inner
}

/// In the middle of the window.
fn hero<R>(ui: &mut Ui, content: impl FnOnce(&mut Ui) -> R) -> R {
    ui.add_space((ui.available_height() * 0.5 - 150.0).max(0.0));
    ui.vertical_centered(|ui| {
        ui.set_max_width((ui.available_width() - 2.0 * f32::from(MARGIN)).min(520.0));
        let frame = card_frame(ui).inner_margin(Margin::symmetric(32, 36));
        frame.show(ui, content).inner
    })
    .inner
}

fn card_frame(ui: &Ui) -> Frame {
    let palette = Palette::of(ui.visuals());
    Frame::new()
        .fill(palette.card)
        .stroke(Stroke::new(1.0, palette.border))
        .corner_radius(CornerRadius::same(RADIUS))
        .inner_margin(Margin::same(CARD_MARGIN))
}

/// The picture on the graphics card. It is sent there once.
fn texture<'a>(
    ui: &Ui,
    kept: &'a mut Option<(Picture, TextureHandle)>,
    picture: Option<&Picture>,
) -> Option<&'a TextureHandle> {
    let picture = picture?;
    if kept.as_ref().is_none_or(|(known, _)| known != picture) {
        let size = [SIDE as usize; 2];
        let image = ColorImage::from_rgba_unmultiplied(size, &picture.rgba);
        let texture = ui
            .ctx()
            .load_texture("picture", image, TextureOptions::LINEAR);
        *kept = Some((picture.clone(), texture));
    }
    kept.as_ref().map(|(_, texture)| texture)
}
