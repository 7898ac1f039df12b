//! `demo`: the lines that it prints, run as printed, answer as printed.

mod chromium;

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use crate::support::foreign;
use crate::support::program::{Background, finish_with_input, program};
use crate::support::{get, send};

/// A running demo.
struct Demo {
    process: Background,
    address: SocketAddr,
    /// Where it keeps what it writes.
    temporary: TempDir,
}

impl Demo {
    /// Starts it and waits for what it prints once all of it answers.
    fn start() -> Self {
        let temporary = TempDir::new().unwrap();
        // Not every fresh machine has CA certificates.
        let no_certificates = TempDir::new().unwrap();
        let (mut process, address) = Background::listening(|listen| {
            let mut command = program(["demo", "--listen", listen]);
            command
                .env("TMPDIR", temporary.path())
                .env("SSL_CERT_FILE", "/dev/null")
                .env("SSL_CERT_DIR", no_certificates.path());
            command
        });
        process.wait_until_it_prints("to this terminal.\n");
        Self {
            process,
            address,
            temporary,
        }
    }
}

/// A line to run and the lines that it answers.
#[derive(Debug)]
struct Step {
    command: String,
    answer: Vec<String>,
}

#[test]
fn the_demos_lines_answer_as_printed_and_ctrl_c_leaves_nothing() {
    if !foreign::has("the_demos_lines", &["bash", "curl", "grep", "sed"]) {
        return;
    }
    let Demo {
        process: mut demo,
        address,
        temporary,
    } = Demo::start();
    let steps = steps(&demo.stdout());
    assert!(steps.len() >= 18, "{steps:?}");
    // What Chat is asked about, before and after the logout, is what the login answers brought.
    for name in ["SIG", "NEW"] {
        let from = format!("{name}=$(echo \"$LOGIN\" | sed ");
        assert!(steps.iter().any(|step| step.command.starts_with(&from)));
    }
    let answers = run(&steps);
    for (step, answer) in steps.iter().zip(&answers) {
        let expected = step.answer.join("\n");
        assert!(
            is_like(answer, &expected),
            "{}\nanswers {answer}\nand not  {expected}",
            step.command
        );
    }
    assert_eq!(demo.interrupt(), Some(0), "{}", demo.stderr());
    assert!(std::net::TcpStream::connect(address).is_err());
    let left: Vec<_> = fs::read_dir(temporary.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The page speaks to the sandbox as a client does; what steers the sandbox or needs an administrator stays beside.
#[test]
fn the_demo_passes_a_client_on_to_chat_and_nothing_else() {
    let demo = Demo::start();
    let post = |path: &str| {
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2");
        send(demo.address, format!("{head}\r\n\r\n{{}}"))
    };
    for path in ["/sandbox/login", "/sandbox/send", "/sandbox/events"] {
        let answer = post(path);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.json()["ErrorInfo"], "UserID is missing", "{path}");
    }
    for path in [
        "/sandbox/fail",
        "/sandbox/calls",
        "/sandbox/v4/openim/sendmsg",
        "/v4/openim/sendmsg",
    ] {
        assert_eq!(post(path).status, 404, "{path}");
    }
    assert_eq!(get(demo.address, "/sandbox/calls", "").status, 405);
}

/// Lines that start with `$ ` and what follows each up to an empty line.
fn steps(printed: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = printed.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(command) = line.strip_prefix("$ ") else {
            continue;
        };
        let mut answer = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.is_empty() && !line.starts_with("$ ")) {
            answer.push(line.to_owned());
        }
        let command = command.to_owned();
        steps.push(Step { command, answer });
    }
    steps
}

/// Runs all lines in one shell, so that a variable that one sets is there for the next.
fn run(steps: &[Step]) -> Vec<String> {
    let script: String = steps
        .iter()
        .map(|step| format!("{}\nprintf '{END}'\n", step.command))
        .collect();
    let mut bash = Command::new("bash");
    let finished = finish_with_input(bash.args(["--norc", "-s"]), &script);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    let mut answers: Vec<_> = finished
        .stdout
        .split(END)
        .map(|answer| answer.trim_end().to_owned())
        .collect();
    assert_eq!(answers.pop().as_deref(), Some(""));
    assert_eq!(answers.len(), steps.len());
    answers
}

/// Whether the text is the pattern with something for each `…`.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap()) else {
        return false;
    };
    let mut ended = true;
    for part in parts {
        let Some(at) = rest.find(part).filter(|at| *at > 0 || part.is_empty()) else {
            return false;
        };
        rest = &rest[at + part.len()..];
        ended = !part.is_empty();
    }
    rest.is_empty() || !ended
}

#[test]
fn a_pattern_matches_only_what_it_means() {
    for (text, pattern, expected) in [
        ("same", "same", true),
        ("same", "sam", false),
        (r#"{"a":1,"b":2}"#, r#"{"a":…,"b":…}"#, true),
        (r#"{"a":1,"c":2}"#, r#"{"a":…,"b":…}"#, false),
        (r#"{"a":,"b":2}"#, r#"{"a":…,"b":…}"#, false),
        ("anything", "…", true),
        ("", "", true),
        ("more", "", false),
    ] {
        assert_eq!(is_like(text, pattern), expected, "{text} like {pattern}");
    }
}

const END: &str = "@@end@@";
