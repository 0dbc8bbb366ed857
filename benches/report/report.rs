//! The rows that were asked for, and their table.

use std::env;
use std::fmt;

use crate::measure::{Measured, Samples, Sides};

const ROUNDS: usize = 101;

/// A row's rounds are not one after the other: for seconds at a time a machine may be slower than else.
const PASSES: usize = 5;

pub(crate) struct Report {
    names: Vec<String>,
    rounds: usize,
    passes: usize,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    floor: &'static str,
    aim: Aim,
    samples: Samples,
    measured: Measured,
}

/// How near a row is to be to its floor.
#[derive(Clone, Copy)]
pub(crate) enum Aim {
    /// At most so many times the floor.
    Ratio(f64),
    /// At most so many nanoseconds over the floor.
    Over(f64),
    /// At most so many nanoseconds, whatever the floor.
    Below(f64),
    /// Shown only.
    None,
}

impl Report {
    /// `None` where nothing is to be measured: cargo's test runner only asks whether there is something.
    pub(crate) fn from_arguments() -> Option<Self> {
        let mut report = Self {
            names: Vec::new(),
            rounds: 1,
            passes: 0,
            rows: Vec::new(),
        };
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => return None,
                "--bench" => report.rounds = report.rounds.max(ROUNDS),
                "--rounds" => {
                    let rounds = arguments.next().and_then(|number| number.parse().ok());
                    report.rounds = rounds.expect("--rounds needs a number");
                }
                option if option.starts_with('-') => {}
                name => report.names.push(name.to_owned()),
            }
        }
        Some(report)
    }

    /// Whether all rows are to be measured once more.
    pub(crate) fn next_pass(&mut self) -> bool {
        self.passes += 1;
        self.passes <= PASSES.min(self.rounds)
    }

    /// Measures a part of a row's rounds, if it is wanted. `sides` makes what is to be measured.
    pub(crate) fn row(
        &mut self,
        name: &str,
        floor: &'static str,
        aim: Aim,
        sides: impl FnOnce() -> Sides,
    ) {
        if !self.wants(name) {
            return;
        }
        let samples = sides().measure(self.rounds.div_ceil(PASSES));
        match self.rows.iter_mut().find(|row| row.name == name) {
            Some(row) => {
                row.samples.add(samples);
                row.measured = row.samples.medians();
            }
            None => self.add(name, floor, aim, samples.medians(), samples),
        }
    }

    fn add(
        &mut self,
        name: &str,
        floor: &'static str,
        aim: Aim,
        measured: Measured,
        samples: Samples,
    ) {
        self.rows.push(Row {
            name: name.to_owned(),
            floor,
            aim,
            samples,
            measured,
        });
    }

    /// Whether a row of this name is wanted, or one whose name goes on after it.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let mut wanted = self.names.iter();
        self.names.is_empty() || wanted.any(|wanted| name.starts_with(wanted.as_str()))
    }

    pub(crate) fn print(&self) {
        for Row { name, measured, .. } in &self.rows {
            println!(
                "row={name} ours_ns={:.0} floor_ns={:.0} ratio={:.3}",
                measured.ours_ns, measured.floor_ns, measured.ratio
            );
        }
        println!("\n| row | ours, µs | floor, µs | ratio | over, µs | aim | met | the floor is |");
        println!("| --- | ---: | ---: | ---: | ---: | --- | --- | --- |");
        for row in &self.rows {
            println!("{row}");
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            floor,
            aim,
            measured,
            ..
        } = self;
        let [ours, floor_us, over] =
            [measured.ours_ns, measured.floor_ns, measured.over_ns].map(|ns| ns / 1e3);
        let met = aim.is_met(measured);
        let ratio = measured.ratio;
        write!(
            f,
            "| {name} | {ours:.2} | {floor_us:.2} | {ratio:.2} | {over:.2} | {aim} | {met} | {floor} |"
        )
    }
}

impl Aim {
    fn is_met(self, measured: &Measured) -> &'static str {
        let is_met = match self {
            Self::Ratio(most) => measured.ratio <= most,
            Self::Over(most) => measured.over_ns <= most,
            Self::Below(most) => measured.ours_ns <= most,
            Self::None => return "",
        };
        if is_met { "yes" } else { "no" }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ratio(most) => write!(f, "≤ {most} ×"),
            Self::Over(most) => write!(f, "≤ {} µs over", most / 1e3),
            Self::Below(most) => write!(f, "≤ {} µs", most / 1e3),
            Self::None => Ok(()),
        }
    }
}
