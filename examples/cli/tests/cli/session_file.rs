//! Files that are not what they should be.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::scene::{PASSPHRASE, Scene, status, stderr, stdout};

#[test]
fn a_broken_or_foreign_file_is_told_and_left() {
    let scene = Scene::new();
    scene.sign_in();
    let path = scene.session_file().expect("the session has a file");
    let good = fs::read(&path).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bad in [
        &b""[..],
        b"[package]\nname = \"cargo\"\n",
        &good[..good.len() / 2],
        &flipped,
    ] {
        fs::write(&path, bad).unwrap();
        for command in ["token", "whoami", "logout", "login"] {
            let output = scene.run(&[command]);
            assert_eq!(status(&output), 1, "{command}: {}", stderr(&output));
            assert_eq!(stdout(&output), "");
            let path = path.to_str().unwrap();
            assert!(stderr(&output).contains(path), "{}", stderr(&output));
            assert!(
                stderr(&output).contains("start anew"),
                "{}",
                stderr(&output)
            );
            assert_eq!(fs::read(path).unwrap(), bad);
        }
    }
    fs::write(&path, good).unwrap();
    assert_eq!(status(&scene.run(&["whoami"])), 0);
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let scene = Scene::new();
    scene.sign_in();
    let path = scene.session_file().unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let output = scene.run(&["token"]);
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).contains("chmod 600"), "{}", stderr(&output));
}

#[test]
fn another_passphrase_opens_nothing_and_changes_nothing() {
    let scene = Scene::new();
    scene.sign_in();
    let path = scene.session_file().unwrap();
    let before = fs::read(&path).unwrap();
    for command in ["token", "whoami", "logout", "login"] {
        let output = scene
            .command(&[command])
            .env("LOGTO_CLI_PASSPHRASE", "another one")
            .output()
            .unwrap();
        assert_eq!(status(&output), 1, "{command}");
        assert_eq!(stdout(&output), "");
        assert!(stderr(&output).contains("this is not the passphrase"));
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
fn nothing_of_the_session_is_on_the_disk_in_clear() {
    let scene = Scene::new();
    scene.sign_in();
    let token = scene.run(&["token"]);
    let directory = scene.session_file().unwrap().parent().unwrap().to_owned();
    let files = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let file: Vec<u8> = files
        .filter(|path| path.is_file())
        .flat_map(|path| fs::read(path).unwrap())
        .collect();
    for secret in [stdout(&token).trim_end(), PASSPHRASE, "alice"] {
        let is_there = file
            .windows(secret.len())
            .any(|part| part == secret.as_bytes());
        assert!(!is_there);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_terminal_and_a_passphrase_it_is_told_what_to_set() {
    let scene = Scene::new();
    scene.sign_in();
    // `setsid` takes the terminal away that the test may have been started at.
    let plain = scene.command_without_passphrase(&["token"]);
    let mut command = std::process::Command::new("setsid");
    command
        .arg("--wait")
        .arg(plain.get_program())
        .args(plain.get_args());
    scene.set_up(&mut command);
    let output = command.output().unwrap();
    assert_eq!(status(&output), 1);
    assert_eq!(stdout(&output), "");
    assert!(
        stderr(&output).contains("set LOGTO_CLI_PASSPHRASE"),
        "{}",
        stderr(&output)
    );
}
