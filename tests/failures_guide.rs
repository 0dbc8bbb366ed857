//! The guide on failures has every variant of every error.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const GUIDE: &str = include_str!("../src/guides/failures.md");

#[test]
fn the_guide_on_failures_has_every_variant_of_every_error() {
    let mut errors = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["src", "logto-core/src"].into_iter();
    let storages = ["file", "redis", "sled", "sqlite"].map(|s| format!("logto-storage-{s}/src"));
    for folder in folders.map(str::to_owned).chain(storages) {
        collect(&root.join(folder), &mut errors);
    }
    assert!(errors.len() > 15, "{errors:?}");
    for (error, variants) in &errors {
        let section = section(error);
        for variant in variants {
            assert!(
                section.contains(&format!("`{variant}`")),
                "{error}::{variant}"
            );
        }
        assert!(variants.len() > 1, "{error}");
    }
    let headings = GUIDE.lines().filter(|line| line.starts_with("## `"));
    assert_eq!(headings.count(), errors.len(), "one that is no more");
}

/// What the guide says of an error.
fn section(error: &str) -> &'static str {
    let heading = format!("\n## `{error}`\n");
    let (_, rest) = GUIDE
        .split_once(&heading)
        .unwrap_or_else(|| panic!("the guide has no section on {error}"));
    rest.split("\n#").next().unwrap_or(rest)
}

fn collect(folder: &Path, errors: &mut BTreeMap<String, Vec<String>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, errors);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            collect_of_source(&fs::read_to_string(&path).unwrap(), errors);
        }
    }
}

fn collect_of_source(source: &str, errors: &mut BTreeMap<String, Vec<String>>) {
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        let name = line.strip_prefix("pub enum ").map(word);
        let Some(name) = name.filter(|name| name.ends_with("Error") || name.ends_with("ErrorKind"))
        else {
            continue;
        };
        let body = lines.by_ref().take_while(|line| *line != "}");
        let variants = body.filter_map(|line| line.strip_prefix("    ").map(word));
        let variants = variants.filter(|variant| variant.starts_with(char::is_uppercase));
        errors.insert(name.to_owned(), variants.map(str::to_owned).collect());
    }
}

/// The letters and digits that a text begins with.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric());
    &text[..end.unwrap_or(text.len())]
}
