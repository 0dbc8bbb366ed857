//! The guide says what these tests do, and what the Python SDK has.

use std::collections::BTreeSet;

use logto_testing::{FakeApp, FakeLogto, FakeUser};

use crate::python::{WebApp, names};
use crate::python_names;

const GUIDE: &str = include_str!("../../src/guides/migrating_from_python.md");

#[test]
fn the_code_that_is_tested_is_the_guides() {
    for code in [
        include_str!("adopt.rs"),
        include_str!("export_sessions.py"),
        include_str!("import.rs"),
    ] {
        assert!(GUIDE.contains(code), "not in the guide:\n{code}");
    }
}

#[test]
fn the_guide_names_what_the_python_sdk_has() {
    let guide = python_names::in_the_guide();
    let python: BTreeSet<String> = names().into_iter().collect();
    assert!(python.contains("LogtoClient.signIn"), "{python:?}");
    let missing: Vec<_> = python.difference(&guide).collect();
    assert!(missing.is_empty(), "not in the guide: {missing:?}");
    let unknown: Vec<_> = guide.difference(&python).collect();
    assert!(unknown.is_empty(), "only in the guide: {unknown:?}");
}

#[test]
fn the_first_sign_in_in_python_runs() {
    let resource = "https://api.example.com";
    let fake = FakeLogto::builder()
        .app(FakeApp::web("app", "secret"))
        .user(FakeUser::new("alice").email("alice@example.com"))
        .resource(resource, ["read:items"])
        .start();
    let mut blocks = GUIDE.split("```python\n").skip(1);
    let first = blocks.next().and_then(|rest| rest.split("```").next());
    let printed = WebApp::new(fake.endpoint()).run_code(first.unwrap());
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines, ["alice@example.com", "True"]);
}
