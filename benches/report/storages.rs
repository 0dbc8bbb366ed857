//! The storages by themselves, beside the libraries under them doing the same work.

use crate::measure::Sides;
use crate::report::{Aim, Report};
use crate::storage_rows::{self, Row};
use crate::stores::directory;

pub(crate) fn rows(report: &mut Report) {
    // All are made at once, and sled has threads.
    if !report.wants("storage_") {
        return;
    }
    let directory = directory();
    for Row { name, sides } in storage_rows::all(directory.path()) {
        let name = format!("storage_{}", name.replace(' ', "_"));
        let [(_, ours), (_, raw)] = sides;
        let floor = "the library under it";
        report.row(&name, floor, Aim::None, || Sides::new(ours, raw));
    }
}
