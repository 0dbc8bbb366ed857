//! Decisions, taken from bytes.

use arbitrary::Unstructured;

use super::planted::MARK;

/// Hands out what the bytes say, and the first of everything when they have run out.
pub struct Choices<'a>(Unstructured<'a>);

impl<'a> Choices<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(Unstructured::new(bytes))
    }

    /// A number below this one.
    pub fn below(&mut self, end: usize) -> usize {
        self.0.int_in_range(0..=end - 1).unwrap_or(0)
    }

    /// Seldom `true`, and never when the bytes have run out.
    pub fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == many - 1
    }

    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Any text but a planted one, so that an answer never quotes what it must not know.
    pub fn text(&mut self) -> String {
        let text: &str = self.0.arbitrary().unwrap_or_default();
        text.replace(MARK, "-")
    }

    /// All that is left, as bytes that have nothing planted.
    pub fn rest(self) -> Vec<u8> {
        let bytes = self.0.take_rest();
        match bytes
            .windows(MARK.len())
            .any(|part| part == MARK.as_bytes())
        {
            true => Vec::new(),
            false => bytes.to_vec(),
        }
    }
}
