//! The table of names in the guide.

use std::collections::BTreeSet;

const GUIDE: &str = include_str!("../../src/guides/migrating_from_python.md");

/// The names of the Python SDK in its first column. A name that starts with a dot is of the class before it.
pub fn in_the_guide() -> BTreeSet<String> {
    let section = GUIDE
        .split("\n# ")
        .find(|section| section.starts_with("Names\n"));
    let lines = section.expect("the guide has it").lines();
    let rows = lines.filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    cells.flat_map(names_of_cell).collect()
}

fn names_of_cell(cell: &str) -> Vec<String> {
    let mut class = "";
    let names = cell.trim_end_matches('`').split("`, `");
    names
        .map(|name| match name.strip_prefix('.') {
            Some(member) => format!("{class}.{member}"),
            None => {
                class = name.split('.').next().unwrap_or_default();
                name.to_owned()
            }
        })
        .collect()
}
