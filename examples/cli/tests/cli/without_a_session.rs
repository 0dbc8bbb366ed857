//! Before anybody has signed in.

use std::process::Command;

use crate::scene::{RESOURCE, Scene, status, stderr, stdout};

#[test]
fn whoever_is_not_signed_in_is_told_so_by_a_status_of_its_own() {
    let scene = Scene::new();
    for arguments in [
        &["token"][..],
        &["token", "--resource", RESOURCE],
        &["whoami"],
        &["logout"],
    ] {
        // No passphrase is asked for where there is nothing to open.
        let output = scene
            .command_without_passphrase(arguments)
            .output()
            .unwrap();
        assert_eq!(status(&output), 3, "{arguments:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
        assert_eq!(
            stderr(&output),
            "logto-cli: you are not signed in; run `logto-cli login`\n"
        );
    }
    assert!(!scene.data().exists());
}

#[test]
fn what_is_missing_in_the_environment_is_named() {
    let scene = Scene::new();
    for name in ["LOGTO_ENDPOINT", "LOGTO_APP_ID"] {
        let output = scene.command(&["token"]).env_remove(name).output().unwrap();
        assert_eq!(status(&output), 2);
        assert_eq!(stdout(&output), "");
        assert!(stderr(&output).contains(name), "{}", stderr(&output));
    }
}

#[test]
fn help_and_version_need_nothing() {
    let run = |argument| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logto-cli"));
        command.arg(argument).env_clear().output().unwrap()
    };
    let help = run("--help");
    assert_eq!(status(&help), 0);
    for command in ["login", "whoami", "token", "logout", "LOGTO_ENDPOINT"] {
        assert!(stdout(&help).contains(command), "{command}");
    }
    assert!(stdout(&run("--version")).starts_with("logto-cli 0."));

    let wrong = run("log-in");
    assert_eq!(status(&wrong), 2);
    assert_eq!(stdout(&wrong), "");
    assert!(stderr(&wrong).contains("there is no command \"log-in\""));
}
