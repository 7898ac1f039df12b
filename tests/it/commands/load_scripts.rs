//! The scripts of `conf/load`: run where the tool is small, and read by a tool of their language otherwise.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use super::Folder;
use crate::support::program::{Background, Finished, finish, program};
use crate::support::proxy::SDK_APP_ID;
use crate::support::{App, Proxy, foreign, tokens};

const LOAD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/load");

#[test]
fn wrk_sends_every_request_as_another_user() {
    if !foreign::has_wrk("wrk_sends_every_request_as_another_user") {
        return;
    }
    let app = App::start();
    let proxy = Proxy::in_front_of(
        &app,
        "default_access = \"deny\"\n[[route]]\nmatch = { path = \"/api\" }\naccess = \"session\"\n\
         inject = { request_headers = true }\n",
    );
    let folder = Folder::new();
    let users = fixtures(&folder, &proxy.config_file());
    let endpoint = format!("http://{}/_chat/usersig", proxy.address);
    let route = format!("http://{}/api", proxy.address);
    let run = wrk("wrk.lua", &endpoint, &[&users]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    // The app is told who each request is of: in the end of all users, and never of anybody else.
    let mut seen = BTreeSet::new();
    for seconds in DURATIONS {
        let run = wrk_for(seconds, "wrk.lua", &route, &[&users]);
        assert!(run.stdout.contains(", failed 0,"), "{run:?}");
        let requests = app.seen();
        let of = requests.iter().map(|one| one.header("x-chat-userid"));
        seen.extend(of.map(|user| user.unwrap().to_owned()));
        if seen.len() >= USERS {
            break;
        }
    }
    let expected: BTreeSet<_> = (1..=USERS).map(|number| format!("load-{number}")).collect();
    assert_eq!(seen, expected);

    let refused = format!("http://{}/other", proxy.address);
    let run = wrk("wrk.lua", &refused, &[&users]);
    assert_eq!(run.code, Some(1), "a refusal is not noticed: {run:?}");
}

#[test]
fn wrk_logs_every_user_in_to_the_sandbox() {
    if !foreign::has_wrk("wrk_logs_every_user_in_to_the_sandbox") {
        return;
    }
    let folder = Folder::new();
    let config = folder.config("proxy.toml", |text| text);
    let users = fixtures(&folder, &config);
    let (_sandbox, address) =
        Background::listening(|listen| program(["sandbox", "-c", &config, "--listen", listen]));
    let url = format!("http://{address}/sandbox/login");
    for (app, code) in [(SDK_APP_ID, 0), (SDK_APP_ID + 1, 1)] {
        let run = wrk("sandbox.lua", &url, &[&users, &app.to_string()]);
        assert_eq!((run.code, run.stderr.as_str()), (Some(code), ""), "{run:?}");
    }
}

#[test]
fn every_script_is_one_of_its_language() {
    let test = "every_script_is_one_of_its_language";
    let folder = Folder::new();
    if foreign::has(test, &["python3"]) {
        let parse = "import ast, sys; ast.parse(open(sys.argv[1]).read())";
        let xml = "import sys, xml.etree.ElementTree as tree\n\
                   print(*[node.tag for node in tree.parse(sys.argv[1]).iter() if node.get('testclass')])";
        for (code, file, broken) in [
            (parse, "locustfile.py", "def (\n"),
            (xml, "jmeter.jmx", "<again/>"),
        ] {
            let read = |file: &str| finish(Command::new("python3").args(["-c", code, file]));
            let whole = read(&format!("{LOAD}/{file}"));
            assert_eq!((whole.code, whole.stderr.as_str()), (Some(0), ""), "{file}");
            if file.ends_with("jmx") {
                let elements: Vec<_> = whole.stdout.split_whitespace().collect();
                assert_eq!(elements, JMETER, "{file}");
            }
            let text = fs::read_to_string(format!("{LOAD}/{file}")).unwrap() + broken;
            let broken = read(&folder.file(file, &text));
            assert_eq!(broken.code, Some(1), "{file}: anything is taken");
        }
    }
    if foreign::has(test, &["node"]) {
        let text = fs::read_to_string(format!("{LOAD}/k6.js")).unwrap();
        for (text, code) in [(text.clone(), 0), (text + "}", 1)] {
            // As a module, which k6 takes it for.
            let script = folder.file("k6.mjs", &text);
            let read = finish(Command::new("node").args(["--check", &script]));
            assert_eq!(read.code, Some(code), "{read:?}");
        }
    }
}

/// The files that `fixtures` makes have what each script asks for.
#[test]
fn scripts_and_files_have_the_same_names() {
    let read = |name: &str| fs::read_to_string(format!("{LOAD}/{name}")).unwrap();
    for (script, names) in [
        ("k6.js", &["users.json", "user.token", "user.userId"][..]),
        ("wrk.lua", &["users.tsv"]),
        ("sandbox.lua", &["users.tsv"]),
        ("jmeter.jmx", &["users.csv", "${token}", "${user_id}"]),
        (
            "locustfile.py",
            &["users.csv", "user[\"token\"]", "user[\"user_id\"]"],
        ),
    ] {
        let text = read(script);
        for name in names {
            assert!(text.contains(name), "{script} without {name}");
        }
        assert!(read("README.md").contains(script), "{script}");
    }
}

/// Some users of this configuration, for wrk.
fn fixtures(folder: &Folder, config: &str) -> String {
    let out = folder.0.path().join("load");
    let users = USERS.to_string();
    let made = finish(program(["fixtures", "-c", config, "--users", &users, "--out"]).arg(&out));
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""));
    let file = out.join("users.tsv");
    for line in fs::read_to_string(&file).unwrap().lines() {
        tokens::note(line.split('\t').nth(2).unwrap());
    }
    file.to_str().unwrap().to_owned()
}

/// Runs it until it got an answer, for as short as it can.
fn wrk(script: &str, url: &str, arguments: &[&str]) -> Finished {
    let mut runs = DURATIONS
        .iter()
        .map(|seconds| wrk_for(*seconds, script, url, arguments));
    let is_empty = |run: &Finished| run.stdout.contains(" 0, failed 0,");
    let found = runs.find(|run| !is_empty(run));
    found.expect("wrk gets no answer")
}

fn wrk_for(seconds: u32, script: &str, url: &str, arguments: &[&str]) -> Finished {
    finish(
        Command::new("wrk")
            .args(["-t2", "-c8", "--timeout", "60s", "-d"])
            .args([&format!("{seconds}s"), "-s"])
            .args([&format!("{LOAD}/{script}"), url, "--"])
            .args(arguments),
    )
}

/// Seconds: the first is enough unless the machine is busy.
const DURATIONS: [u32; 4] = [1, 4, 16, 64];
const USERS: usize = 40;
const JMETER: [&str; 6] = [
    "TestPlan",
    "ThreadGroup",
    "CSVDataSet",
    "HTTPSamplerProxy",
    "HeaderManager",
    "ResponseAssertion",
];
