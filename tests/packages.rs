//! What a registry and docs.rs ask of each package that is published.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The registry takes no more.
const MOST_KEYWORDS: usize = 5;

#[test]
fn every_package_says_what_it_is() {
    for package in published() {
        let name = package["name"].as_str().unwrap();
        assert!(package["description"].is_string(), "{name}");
        assert_eq!(package["license"], "MIT OR Apache-2.0", "{name}");
        assert_eq!(package["readme"], "README.md", "{name}");
        let documentation = format!("https://docs.rs/{name}");
        assert_eq!(package["documentation"], documentation, "{name}");
        assert!(package["repository"].is_string(), "{name}");
        let keywords = package["keywords"].as_array().unwrap().len();
        assert!((1..=MOST_KEYWORDS).contains(&keywords), "{name}");
        assert_ne!(package["categories"].as_array().unwrap().len(), 0, "{name}");
    }
}

#[test]
fn every_package_brings_its_readme_and_both_licenses() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for package in published() {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let folder = manifest.parent().unwrap();
        assert!(folder.join("README.md").is_file(), "{folder:?}");
        for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
            let text = |folder: &Path| fs::read_to_string(folder.join(license)).unwrap();
            assert_eq!(text(folder), text(root), "{folder:?}");
        }
        let toml = fs::read_to_string(manifest).unwrap();
        for file in ["\"/src\"", "\"/README.md\"", "\"/LICENSE-*\""] {
            let included = toml.lines().find(|line| line.starts_with("include = "));
            assert!(included.unwrap().contains(file), "{folder:?}: {file}");
        }
    }
}

#[test]
fn every_package_holds_what_its_source_includes() {
    for package in published() {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let folder = manifest.parent().unwrap();
        let packaged: Vec<PathBuf> = cargo(&["package", "--list", "--allow-dirty"], folder)
            .lines()
            .map(|path| folder.join(path).canonicalize().unwrap_or_default())
            .collect();
        let sources = packaged
            .iter()
            .filter(|path| path.extension() == Some("rs".as_ref()));
        for source in sources {
            let text = fs::read_to_string(source).unwrap();
            for included in text.split("include_str!(\"").skip(1) {
                let (path, _) = included.split_once('"').unwrap();
                let path = source.parent().unwrap().join(path).canonicalize();
                assert!(
                    packaged.contains(&path.unwrap()),
                    "{source:?}: {included:.40}"
                );
            }
        }
    }
}

#[test]
fn docs_rs_shows_every_feature_and_names_it() {
    let expected = serde_json::json!({
        "all-features": true,
        "rustdoc-args": ["--cfg", "docsrs"],
    });
    for package in published() {
        assert_eq!(package["metadata"]["docs"]["rs"], expected, "{package}");
        let library = Path::new(package["manifest_path"].as_str().unwrap());
        let library = fs::read_to_string(library.with_file_name("src/lib.rs")).unwrap();
        assert!(library.contains("\n#![cfg_attr(docsrs, feature(doc_cfg))]\n"));
    }
}

#[test]
fn the_oldest_rust_is_one_for_all_and_in_the_readme() {
    let packages = published();
    let stated = packages[0]["rust_version"].as_str().unwrap();
    for package in &packages {
        assert_eq!(package["rust_version"], stated, "{}", package["name"]);
    }
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    assert!(readme.contains(&format!("\nRust {stated} or newer")));
}

fn cargo(arguments: &[&str], folder: &Path) -> String {
    let mut command = Command::new(env!("CARGO"));
    let output = command
        .args(arguments)
        .arg("--locked")
        .current_dir(folder)
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn published() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps"], root);
    let mut metadata: Value = serde_json::from_str(&metadata).unwrap();
    let mut packages: Vec<Value> = metadata["packages"].as_array_mut().unwrap().split_off(0);
    packages.retain(|package| package["publish"].is_null());
    assert!(packages.len() > 1);
    packages
}
