//! `completions` and `man`, given to the programs that read them.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Folder;
use crate::support::foreign;
use crate::support::program::{Finished, finish, program};

#[test]
fn bash_completes_commands_options_and_their_values() {
    let test = "bash_completes_commands_options_and_their_values";
    if !foreign::has(test, &["bash"]) {
        return;
    }
    let folder = Folder::new();
    let script = folder.file("completion", &printed("bash"));
    for (words, expected) in [
        (&["usersig-proxy", "chec"][..], "check"),
        (&["usersig-proxy", "check", "--sch"], "--schema"),
        (&["usersig-proxy", "config", "sh"], "show"),
        (&["usersig-proxy", "check", "--format", "j"], "json"),
    ] {
        let complete = "source \"$1\"; shift; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                        _usersig__proxy usersig-proxy \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; \
                        printf '%s\\n' \"${COMPREPLY[@]}\"";
        let mut bash = Command::new("bash");
        let bash = bash.args(["--norc", "-c", complete, "bash", &script]);
        let completed = finish(bash.args(words));
        assert_eq!(
            (completed.stdout.trim_end(), completed.stderr.as_str()),
            (expected, ""),
            "{words:?}"
        );
    }
}

#[test]
fn zsh_and_fish_take_their_scripts() {
    let test = "zsh_and_fish_take_their_scripts";
    let folder = Folder::new();
    for shell in ["zsh", "fish"] {
        if !foreign::has(test, &[shell]) {
            continue;
        }
        let script = folder.file(shell, &printed(shell));
        let checked = finish(Command::new(shell).args(["-n", &script]));
        assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""));
        let broken = folder.file(shell, &(printed(shell) + "\nif ((\n"));
        let checked = finish(Command::new(shell).args(["-n", &broken]));
        assert_ne!(checked.code, Some(0), "{shell} takes anything");
    }
}

#[test]
fn every_command_has_a_manual_page_that_groff_reads_without_a_warning() {
    let folder = Folder::new();
    let out = folder.0.path().join("man1");
    let written = man(&["--out", out.to_str().unwrap()]);
    assert_eq!(written.code, Some(0), "{written:?}");
    let mut names: Vec<_> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    let help = finish(&mut program(["--help"])).stdout;
    let listed = help.split("Commands:\n").nth(1).unwrap();
    let listed = listed.lines().take_while(|line| !line.is_empty());
    let commands = listed.filter_map(|line| line.split_whitespace().next());
    for command in commands.filter(|command| *command != "help") {
        let page = format!("usersig-proxy-{command}.1");
        assert!(names.contains(&page), "{page} is not there: {names:?}");
    }
    for page in ["usersig-proxy.1", "usersig-proxy-config-show.1"] {
        assert!(names.iter().any(|name| name == page), "{names:?}");
    }
    let alone = man(&[]);
    let same = fs::read_to_string(out.join("usersig-proxy.1")).unwrap();
    assert_eq!((alone.code, alone.stdout), (Some(0), same));
    let test = "every_command_has_a_manual_page_that_groff_reads_without_a_warning";
    if foreign::has(test, &["groff"]) {
        names.iter().for_each(|name| assert_reads(&out.join(name)));
    }
}

fn assert_reads(page: &Path) {
    let mut groff = Command::new("groff");
    let groff = groff.args(["-man", "-ww", "-Tutf8"]).arg(page);
    let read = finish(groff);
    assert_eq!((read.code, read.stderr.as_str()), (Some(0), ""), "{page:?}");
    // Bold letters are written as overstrikes.
    let text: String = read.stdout.replace('\x08', "");
    assert!(text.contains("usersig-proxy"), "{page:?}");
}

#[test]
fn a_folder_that_cannot_be_made_ends_with_2() {
    let folder = Folder::new();
    let file = folder.file("file", "");
    let written = man(&["--out", &format!("{file}/man1")]);
    assert_eq!((written.code, written.stdout.as_str()), (Some(2), ""));
    assert!(written.stderr.starts_with("cannot write "), "{written:?}");
}

/// The reader may have had enough.
#[test]
fn a_closed_pipe_is_no_error() {
    for arguments in [
        &["completions", "zsh"][..],
        &["man"],
        &["check", "--schema"],
        &["config", "show", "-c", super::QUICKSTART],
        &["check", "--format", "json", super::QUICKSTART],
    ] {
        let mut child = program(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        let mut stderr = child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        let code = child.wait().unwrap().code();
        assert_eq!((code, said.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

fn printed(shell: &str) -> String {
    let printed = finish(&mut program(["completions", shell]));
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
    printed.stdout
}

fn man(arguments: &[&str]) -> Finished {
    finish(program(["man"]).args(arguments))
}
