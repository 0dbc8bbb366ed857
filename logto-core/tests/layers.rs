//! Holds the imports of this crate against its layers: they go down, never in a circle, and the pure
//! protocol and the ports do not know each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every module at the crate's root, and its layer.
const LAYERS: [(&str, u8); 19] = [
    ("access_token_verifier", 5),
    ("back_channel", 5),
    ("client", 5),
    ("logto", 5),
    ("machine", 5),
    ("oidc_core", 4),
    ("storage", 3),
    ("http", 3),
    ("clock", 3),
    ("oidc", 2),
    ("config", 1),
    ("scopes", 1),
    ("session", 1),
    ("seal", 1),
    ("error", 0),
    ("secret", 0),
    ("utilities", 0),
    ("crypto", 0),
    ("lib", u8::MAX),
];

const PORTS: u8 = 3;
const PURE: u8 = 2;

type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn imports_go_down() {
    let layers = BTreeMap::from(LAYERS);
    let imports = imports(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert_eq!(
        imports.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        layers.keys().copied().collect(),
        "a module is missing in the table, or gone"
    );
    assert_eq!(violations(&imports, &layers), Vec::<String>::new());
}

#[test]
fn an_import_that_goes_up_is_found() {
    let layers = BTreeMap::from(LAYERS);
    let found = |from: &str, to: &[&str]| {
        let to = to.iter().map(|name| (*name).to_owned()).collect();
        violations(&BTreeMap::from([(from.to_owned(), to)]), &layers).len()
    };
    assert_eq!(found("oidc", &["session", "error", "config"]), 0);
    assert_eq!(found("oidc", &["storage"]), 1);
    assert_eq!(found("storage", &["oidc"]), 1);
    assert_eq!(found("secret", &["session"]), 1);
    assert_eq!(found("oidc", &["Secret"]), 1);
    let circle = BTreeMap::from([
        ("config".to_owned(), BTreeSet::from(["scopes".to_owned()])),
        ("scopes".to_owned(), BTreeSet::from(["config".to_owned()])),
    ]);
    assert!(!violations(&circle, &layers).is_empty());
}

#[test]
fn imports_are_seen_wherever_they_stand() {
    let source = "use crate::error::X;\n// crate::client\n    f(crate::http::y);\n";
    assert_eq!(
        imported_modules(source),
        BTreeSet::from(["error".to_owned(), "http".to_owned()])
    );
}

#[test]
fn contributors_are_told_the_same_layers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../CONTRIBUTING.md");
    let document = fs::read_to_string(path).unwrap();
    let told: BTreeSet<(&str, u8)> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | "))
        .filter_map(|(layer, rest)| Some((layer.parse().ok()?, rest.split_once(" |")?.0)))
        .flat_map(|(layer, modules)| modules.split(", ").map(move |name| (name, layer)))
        .map(|(name, layer)| (name.trim_matches('`'), layer))
        .collect();
    let held = LAYERS.into_iter().filter(|(name, _)| *name != "lib");
    assert_eq!(told, held.collect());
}

fn violations(imports: &Imports, layers: &BTreeMap<&str, u8>) -> Vec<String> {
    let mut found = Vec::new();
    for (from, targets) in imports {
        for to in targets {
            let (Some(above), Some(below)) = (layers.get(from.as_str()), layers.get(to.as_str()))
            else {
                found.push(format!(
                    "`{from}` imports `{to}`, which is no module of the table"
                ));
                continue;
            };
            if below > above {
                found.push(format!(
                    "`{from}` (layer {above}) imports `{to}` (layer {below})"
                ));
            }
            if (*above, *below) == (PORTS, PURE) {
                found.push(format!("the port `{from}` imports the pure `{to}`"));
            }
        }
        if reachable(imports, from).contains(from) {
            found.push(format!("`{from}` imports itself by a circle"));
        }
    }
    found
}

fn reachable(imports: &Imports, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<_> = imports[from].iter().cloned().collect();
    while let Some(module) = next.pop() {
        next.extend(imports.get(&module).into_iter().flatten().cloned());
        if !seen.insert(module) {
            next.retain(|module| !seen.contains(module));
        }
    }
    seen
}

fn imports(src: &Path) -> Imports {
    let mut imports = Imports::new();
    for file in rust_files(src) {
        let relative = file.strip_prefix(src).unwrap();
        let root = relative.components().next().unwrap().as_os_str();
        let module = root.to_str().unwrap().trim_end_matches(".rs").to_owned();
        let mut targets = match module.as_str() {
            // It sums up the errors of all features, each of which may return it.
            "lib" | "error" => BTreeSet::new(),
            _ => imported_modules(&fs::read_to_string(&file).unwrap()),
        };
        targets.remove(&module);
        imports.entry(module).or_default().extend(targets);
    }
    imports
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(rust_files(&path)),
            false => files.push(path),
        }
    }
    files
}

/// The module behind every `crate::` outside comments. Two steps up could reach any module by another
/// name, so nobody takes them.
fn imported_modules(source: &str) -> BTreeSet<String> {
    let code = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    assert!(
        !code.clone().any(|line| line.contains("super::super")),
        "write `crate::`, not `super::super`"
    );
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| {
            rest.chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
        .collect()
}
