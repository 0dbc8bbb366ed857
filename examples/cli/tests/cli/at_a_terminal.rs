//! A person at a terminal.

use std::fs;
use std::process::Command;

use rexpect::process::WaitStatus;
use rexpect::session::{PtySession, spawn_command};

use crate::scene::{LONG, PASSPHRASE, Scene, status};

/// Starts the application in a terminal of 100 columns.
pub fn start(scene: &Scene, arguments: &[&str]) -> PtySession {
    start_with(scene, "exec \"$0\" \"$@\"", arguments, |_| {})
}

/// The same, after a change of its environment. `script` runs it, as `"$0" "$@"`.
pub fn start_with(
    scene: &Scene,
    script: &str,
    arguments: &[&str],
    change: impl FnOnce(&mut Command),
) -> PtySession {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("stty echo cols 100 rows 60; {script}")])
        .arg(env!("CARGO_BIN_EXE_logto-cli"))
        .args(arguments);
    scene.set_up(&mut command);
    change(&mut command);
    let timeout = u64::try_from(LONG.as_millis()).unwrap();
    spawn_command(command, Some(timeout)).unwrap()
}

/// The rest of the output, and the status.
pub fn end(mut session: PtySession) -> (String, i32) {
    let rest = session.exp_eof().unwrap();
    match session.process().wait().unwrap() {
        WaitStatus::Exited(_, status) => (rest, status),
        other => panic!("{other:?}"),
    }
}

/// Answers a question, and returns what was written before it.
fn answer(session: &mut PtySession, question: &str, answer: &str) -> String {
    let before = session.exp_string(question).unwrap();
    session.send_line(answer).unwrap();
    before
}

// On macOS it would ask the keychain of whoever runs the test.
#[cfg(not(target_os = "macos"))]
#[test]
fn without_a_keyring_a_passphrase_is_chosen() {
    let scene = Scene::new();
    let mut session = start(&scene, &["login"]);
    let mut written = answer(&mut session, "New passphrase: ", "");
    assert!(written.contains("No keyring answers"), "{written}");
    written += &answer(&mut session, "New passphrase: ", PASSPHRASE);
    written += &answer(&mut session, "The same again: ", "something else");
    written += &answer(&mut session, "New passphrase: ", PASSPHRASE);
    written += &answer(&mut session, "The same again: ", PASSPHRASE);
    written += &session.exp_string("Your browser opens").unwrap();
    scene.finish_sign_in();
    let (rest, status) = end(session);
    assert_eq!(status, 0, "{rest}");
    assert!(rest.contains("You are signed in as Alice Example (alice@example.test)."));
    written += &rest;
    assert!(written.contains("It must not be empty."));
    assert!(written.contains("They are not the same."));
    assert!(!written.contains(PASSPHRASE) && !written.contains("something else"));

    let mut session = start(&scene, &["whoami"]);
    answer(&mut session, "Passphrase: ", PASSPHRASE);
    let (rest, status) = end(session);
    assert!(status == 0 && rest.contains("Alice Example"), "{rest}");
}

#[test]
fn a_wrong_passphrase_is_told_and_the_session_stays() {
    let scene = Scene::new();
    scene.sign_in();
    let path = scene.session_file().unwrap();
    let before = fs::read(&path).unwrap();
    let mut session = start(&scene, &["whoami"]);
    answer(&mut session, "Passphrase: ", "wrong");
    let (rest, code) = end(session);
    assert_eq!(code, 1);
    assert!(rest.contains("this is not the passphrase"), "{rest}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(status(&scene.run(&["whoami"])), 0);
}

#[test]
fn ctrl_c_cancels_a_sign_in_and_leaves_nothing() {
    let scene = Scene::new();
    let mut session = start_with(&scene, "exec \"$0\" \"$@\"", &["login"], |command| {
        command.env("LOGTO_CLI_PASSPHRASE", PASSPHRASE);
    });
    scene.opened();
    session.send_control('c').unwrap();
    let (rest, status) = end(session);
    assert_eq!(status, 130, "{rest}");
    assert!(rest.contains("logto-cli: cancelled"), "{rest}");
    assert_eq!(scene.session_file(), None);
}

#[test]
fn ctrl_c_at_a_question_gives_the_terminal_back() {
    let scene = Scene::new();
    scene.sign_in();
    let script = "\"$0\" \"$@\"; echo \"status $?\"; stty -a";
    let mut session = start_with(&scene, script, &["token"], |_| {});
    session.exp_string("Passphrase: ").unwrap();
    session.send_control('c').unwrap();
    let (rest, _) = end(session);
    assert!(rest.contains("status 130"), "{rest}");
    for flag in [" echo ", " icanon ", "isig "] {
        assert!(rest.contains(flag), "{flag}: {rest}");
    }
}
