//! The README's desktop program: it is what the example is, and it does what the README says.

// The stand-in for the browser is a shell script.
#![cfg(unix)]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use logto_testing::{FakeApp, FakeLogto};
use support::program;

#[test]
fn the_readme_shows_the_example() {
    let root = env!("CARGO_MANIFEST_DIR");
    let readme = fs::read_to_string(format!("{root}/README.md")).unwrap();
    let example = fs::read_to_string(format!("{root}/examples/one_call.rs")).unwrap();
    let (_, program) = example.split_once("\n\n").unwrap();
    assert!(readme.contains(&format!("```rust,no_run\n{program}```")));
}

#[test]
fn it_signs_its_user_in_by_the_browser_and_out() {
    // What the README has set in the Logto Console, and no more.
    let app = FakeApp::native("app").redirect_uri("http://127.0.0.1/callback");
    let fake = FakeLogto::builder().app(app).start();
    let folder = tempfile::tempdir().unwrap();
    let browser = folder.path().join("browser");
    let opened = folder.path().join("opened");
    let script = "#!/bin/sh\nprintf %s \"$1\" >\"$0.part\" && mv \"$0.part\" \"${0%/*}/opened\"\n";
    fs::write(&browser, script).unwrap();
    fs::set_permissions(&browser, Permissions::from_mode(0o700)).unwrap();

    let child = program::command("one_call", folder.path())
        .env("LOGTO_ENDPOINT", fake.endpoint())
        .env("LOGTO_APP_ID", "app")
        .env("PASSPHRASE", "correct horse")
        .env("BROWSER", &browser)
        .stdout(Stdio::piped())
        .spawn()
        .expect("cargo runs");
    let callback = fake.authorize(&when_written(&opened));
    let page = ureq::get(&callback).call().unwrap();
    assert_eq!(page.status(), 200);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Hello, alice\n");
}

fn when_written(path: &Path) -> String {
    // The first start may have to compile the program.
    for _ in 0..9_000 {
        if let Ok(text) = fs::read_to_string(path) {
            return text;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("no browser is opened");
}
