//! What this project stands on: no async runtime, and nothing newer than the stated Rust version.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

const RUNTIMES: [&str; 9] = [
    "tokio",
    "async-std",
    "smol",
    "hyper",
    "futures-executor",
    "async-executor",
    "async-io",
    "mio",
    "reqwest",
];

#[test]
fn no_async_runtime_is_among_the_dependencies() {
    let metadata = metadata();
    let names: BTreeSet<_> = normal_dependencies(&metadata)
        .iter()
        .map(|package| text(package, "name"))
        .collect();
    assert!(
        names.contains("ureq") && names.contains("rusqlite"),
        "{names:?}"
    );
    for runtime in RUNTIMES {
        assert!(!names.contains(runtime), "{runtime} is in the tree");
    }
}

#[test]
fn one_crypto_library_is_enough_unless_another_is_asked_for() {
    let names = |features: &[&str]| -> BTreeSet<String> {
        let metadata = metadata_with(features);
        let packages = normal_dependencies(&metadata);
        let names = packages.iter().map(|package| text(package, "name"));
        names.map(str::to_owned).collect()
    };
    let by_default = names(&[]);
    assert!(by_default.contains("ring") && !by_default.contains("aws-lc-rs"));
    assert!(names(&["--all-features"]).contains("aws-lc-rs"));
}

#[test]
fn no_dependency_needs_a_newer_rust() {
    let metadata = metadata();
    let packages = normal_dependencies(&metadata);
    let ours = packages
        .iter()
        .find(|package| text(package, "name") == "logto")
        .unwrap();
    let stated = version(text(ours, "rust_version"));
    for package in packages {
        if let Some(needed) = package["rust_version"].as_str() {
            let name = text(package, "name");
            assert!(version(needed) <= stated, "{name} needs Rust {needed}");
        }
    }
}

fn metadata() -> Value {
    metadata_with(&["--all-features"])
}

fn metadata_with(features: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Our packages and all that they need outside tests and build scripts.
fn normal_dependencies(metadata: &Value) -> Vec<&Value> {
    let by_id = |list: &'static str, root: &'static str| -> BTreeMap<&str, &Value> {
        let items = match root {
            "" => metadata[list].as_array(),
            root => metadata[root][list].as_array(),
        };
        items
            .unwrap()
            .iter()
            .map(|item| (text(item, "id"), item))
            .collect()
    };
    let packages = by_id("packages", "");
    let nodes = by_id("nodes", "resolve");
    let members = metadata["workspace_members"].as_array().unwrap();
    let mut next: Vec<&str> = members.iter().map(|id| id.as_str().unwrap()).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = next.pop() {
        if seen.insert(id) {
            let dependencies = nodes[id]["deps"].as_array().unwrap();
            next.extend(
                dependencies
                    .iter()
                    .filter(|d| is_normal(d))
                    .map(|d| text(d, "pkg")),
            );
        }
    }
    seen.into_iter().map(|id| packages[id]).collect()
}

fn is_normal(dependency: &Value) -> bool {
    let kinds = dependency["dep_kinds"].as_array().unwrap();
    kinds.iter().any(|kind| kind["kind"].is_null())
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member]
        .as_str()
        .unwrap_or_else(|| panic!("no {member}"))
}

fn version(text: &str) -> Vec<u64> {
    let mut parts: Vec<_> = text.split('.').map(|part| part.parse().unwrap()).collect();
    parts.resize(3, 0);
    parts
}
