//! `check`, and that `run` says the same and ends with the same exit code.

use std::process::Command;

use serde_json::{Value, json};

use super::{Folder, QUICKSTART};
use crate::support::foreign;
use crate::support::program::{finish, program};

#[test]
fn a_good_file_is_good() {
    let checked = finish(&mut program(["check", QUICKSTART]));
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        checked.stdout,
        "conf/quickstart.toml: good (1 site, any host)\n"
    );
    let checked = finish(&mut program(["check", "--config", QUICKSTART]));
    assert_eq!(
        checked.stdout,
        "conf/quickstart.toml: good (1 site, any host)\n"
    );
}

#[test]
fn all_errors_come_at_once_each_with_its_place_and_no_value() {
    let folder = Folder::new();
    let config = folder.file("proxy.toml", WRONG);
    let checked = finish(&mut program(["check", &config]));
    assert_eq!((checked.code, checked.stdout.as_str()), (Some(1), ""));
    let said: Vec<_> = checked.stderr.lines().collect();
    assert_eq!(said.len(), PLACES.len(), "{}", checked.stderr);
    for (line, place) in said.iter().zip(PLACES) {
        let rest = line.strip_prefix(&format!("{config}:{place}: "));
        let rest = rest.unwrap_or_else(|| panic!("{line} is not at {place}"));
        assert!(!rest.contains("pasted"), "a value is repeated: {line}");
    }
    assert!(
        said[0].ends_with(" (known here: format, level)"),
        "{}",
        said[0]
    );
    assert_same_from_run(&config, &checked.stderr, Some(1));
}

#[test]
fn a_warning_is_shown_and_the_file_is_good() {
    let folder = Folder::new();
    folder.secret("session-secret", "short");
    let strict = folder.config("strict.toml", |text| text);
    let config = folder.config("proxy.toml", |text| {
        text.replace("algorithms = ", "allow_short_secret = true\nalgorithms = ")
    });
    let checked = finish(&mut program(["check", &config]));
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""));
    let mut lines = checked.stdout.lines();
    let warning = lines.next().unwrap();
    assert!(
        warning.starts_with(&format!("warning: {config}:")),
        "{warning}"
    );
    assert!(
        warning.contains("session.issuer[1].allow_short_secret: "),
        "{warning}"
    );
    assert_eq!(
        lines.collect::<Vec<_>>(),
        [format!("{config}: good (1 site, any host)")]
    );

    let refused = finish(&mut program(["check", &strict]));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_same_from_run(&strict, &refused.stderr, Some(1));
}

/// Nothing that comes with the program, and is thus known to everybody, is a secret outside of a demo.
#[test]
fn o6_no_key_that_is_shipped_is_accepted_at_the_start() {
    let folder = Folder::new();
    for (name, shipped) in [
        (
            "chat-key",
            include_str!("../../../conf/demo/chat-secret-key"),
        ),
        (
            "session-secret",
            include_str!("../../../conf/demo/session-secret"),
        ),
    ] {
        let own = std::fs::read_to_string(folder.0.path().join(name)).unwrap();
        folder.secret(name, shipped);
        let config = folder.config("proxy.toml", |text| text);
        assert_refused_as_example(&config);
        let demo = folder.config("demo.toml", |text| format!("demo = true\n{text}"));
        assert_eq!(
            finish(&mut program(["check", &demo])).code,
            Some(0),
            "{name}"
        );
        folder.secret(name, &own);
        assert_eq!(
            finish(&mut program(["check", &config])).code,
            Some(0),
            "{name}"
        );
    }
    let text = std::fs::read_to_string(QUICKSTART).unwrap();
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/demo/");
    let text = text.replace("\"demo/", &format!("\"{demo}"));
    assert!(text.contains("demo = true\n"));
    let quickstart = folder.file("quickstart.toml", &text.replace("demo = true\n", ""));
    assert_refused_as_example(&quickstart);
}

/// That neither command takes it, because of its keys.
fn assert_refused_as_example(config: &str) {
    let checked = finish(&mut program(["check", config]));
    let about_keys = checked
        .stderr
        .lines()
        .filter(|line| line.contains("is an example key"));
    assert!(
        checked.code == Some(1) && about_keys.count() > 0,
        "{checked:?}"
    );
    assert_same_from_run(config, &checked.stderr, Some(1));
}

#[test]
fn it_says_how_many_sites_and_hosts_a_file_is_good_for() {
    let folder = Folder::new();
    std::fs::create_dir(folder.0.path().join("sites.d")).unwrap();
    for (name, hosts) in [
        ("a", r#""a.example""#),
        ("b", r#""b.example", "c.example""#),
    ] {
        folder.config(&format!("sites.d/{name}.toml"), |text| {
            let from = text.find("[[upstream]]").unwrap();
            let site = text[from..].replace("file = \"", "file = \"../");
            format!("hosts = [{hosts}]\n{site}")
        });
    }
    let config = folder.file("proxy.toml", "sites = \"sites.d/*.toml\"\n");
    let checked = finish(&mut program(["check", &config]));
    assert_eq!(
        (checked.code, checked.stdout),
        (Some(0), format!("{config}: good (2 sites, 3 hosts)\n")),
        "{}",
        checked.stderr
    );
    for (site, problem) in [(None, "which site?"), (Some("z"), "there is no site z")] {
        let mut mint = program(["mint", "--config", &config, "--user", "27149"]);
        let minted = finish(mint.args(site.map(|site| format!("--site={site}"))));
        assert_eq!(
            (minted.code, minted.stderr),
            (Some(1), format!("{problem}: --site a | b\n"))
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_ends_with_2() {
    let folder = Folder::new();
    let missing = folder
        .0
        .path()
        .join("none.toml")
        .to_str()
        .unwrap()
        .to_owned();
    let no_file = folder.0.path().to_str().unwrap().to_owned();
    for file in [&missing, &no_file] {
        let checked = finish(&mut program(["check", file]));
        assert_eq!(
            (checked.code, checked.stdout.as_str()),
            (Some(2), ""),
            "{checked:?}"
        );
        assert!(checked.stderr.contains(file.as_str()), "{checked:?}");
        assert_same_from_run(file, &checked.stderr, Some(2));
    }
}

#[test]
fn of_several_files_each_is_judged_and_the_worst_gives_the_exit_code() {
    let folder = Folder::new();
    let wrong = folder.config("wrong.toml", |text| text.replace("[ops]", "[opps]"));
    let missing = folder
        .0
        .path()
        .join("none.toml")
        .to_str()
        .unwrap()
        .to_owned();
    for (files, code) in [
        ([QUICKSTART, wrong.as_str()], 1),
        ([missing.as_str(), wrong.as_str()], 2),
        ([wrong.as_str(), missing.as_str()], 2),
    ] {
        let checked = finish(program(["check"]).args(files));
        assert_eq!(checked.code, Some(code), "{checked:?}");
        let said = checked.stdout + &checked.stderr;
        assert!(files.iter().all(|file| said.contains(file)), "{said}");
    }
}

#[test]
fn as_json_it_says_the_same_with_every_place_in_a_member_of_its_own() {
    let folder = Folder::new();
    let wrong = folder.file("proxy.toml", WRONG);
    let checked = finish(&mut program([
        "check", "--format", "json", QUICKSTART, &wrong,
    ]));
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(1), ""));
    assert!(!checked.stdout.contains("pasted"), "a value is repeated");
    let said: Value = serde_json::from_str(&checked.stdout).unwrap();
    assert_eq!(said["good"], false);
    let [good, bad] = said["files"].as_array().unwrap().as_slice() else {
        panic!("{said}");
    };
    let expected = json!({
        "file": QUICKSTART, "good": true, "sites": 1, "hosts": 0, "errors": [], "warnings": [], "live": [],
    });
    assert_eq!(*good, expected);
    let errors = bad["errors"].as_array().unwrap();
    let shown = errors.iter().map(|error| {
        assert_eq!(error["file"], wrong);
        let key = error["key"].as_str().unwrap();
        format!("{}:{}: {key}", error["line"], error["column"])
    });
    assert_eq!(shown.collect::<Vec<_>>(), PLACES);
    assert_eq!(errors[0]["problem"], "unknown key");
    assert_eq!(errors[0]["hint"], "known here: format, level");
    assert_eq!((&bad["good"], &bad["sites"]), (&json!(false), &Value::Null));
    let alone = finish(&mut program(["check", "--format", "json", QUICKSTART]));
    assert_eq!(alone.code, Some(0));
}

#[test]
fn as_json_warnings_files_that_cannot_be_read_and_text_that_is_no_toml_are_told() {
    let folder = Folder::new();
    folder.secret("session-secret", "short");
    let weak = folder.config("weak.toml", |text| {
        text.replace("algorithms = ", "allow_short_secret = true\nalgorithms = ")
    });
    let no_toml = folder.file("no.toml", "[[\n");
    let missing = format!("{weak}.none");
    let check = |files: &[&str]| {
        let checked = finish(program(["check", "--format", "json"]).args(files));
        assert_eq!(checked.stderr, "");
        let said: Value = serde_json::from_str(&checked.stdout).unwrap();
        (checked.code, said["files"].clone())
    };
    let (code, files) = check(&[&weak]);
    assert_eq!((code, &files[0]["good"]), (Some(0), &json!(true)));
    let warning = &files[0]["warnings"][0];
    assert_eq!(warning["key"], "session.issuer[1].allow_short_secret");
    let (code, files) = check(&[&no_toml]);
    let error = &files[0]["errors"][0];
    assert_eq!(
        (code, &error["line"], &error["key"]),
        (Some(1), &json!(1), &Value::Null)
    );
    let (code, files) = check(&[&weak, &missing]);
    assert_eq!((code, &files[0]["good"]), (Some(2), &json!(true)));
    let error = &files[1]["errors"][0];
    assert_eq!(
        (&error["file"], &error["line"]),
        (&json!(missing), &Value::Null)
    );
    assert!(
        error["problem"]
            .as_str()
            .unwrap()
            .contains("cannot be read")
    );
}

/// A validator that nobody here wrote: every configuration that comes with the program passes, and mistakes do not.
#[test]
fn every_configuration_fits_the_schema_and_mistakes_do_not() {
    let test = "every_configuration_fits_the_schema_and_mistakes_do_not";
    let Some(apps) = foreign::apps(test) else {
        return;
    };
    let printed = finish(&mut program(["check", "--schema"]));
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
    let folder = Folder::new();
    let schema = folder.file("schema.json", &printed.stdout);
    let root = env!("CARGO_MANIFEST_DIR");
    let conf = std::fs::read_dir(format!("{root}/conf")).unwrap();
    let conf = conf.map(|entry| entry.unwrap().path().to_str().unwrap().to_owned());
    let mut good: Vec<_> = conf.filter(|path| path.ends_with(".toml")).collect();
    assert!(good.len() >= 3, "{good:?}");
    good.push(folder.config("tests.toml", |text| text));
    good.push(folder.file(
        "sites.toml",
        "sites = \"sites.d/*.toml\"\n[log]\nlevel = \"warn\"\n",
    ));
    let mistakes = [
        ("levle", "[log]", "[log]\nlevle = \"trace\"\n"),
        ("words", "level = \"trace\"", "level = \"trce\""),
        ("range", "[log]", "[runtime]\nthreads = 1025\n[log]"),
        ("units", "[log]", "[runtime]\nmax_body = \"1 GB\"\n[log]"),
        ("inline", "{ file = \"chat-key\" }", "\"pasted\""),
        (
            "two",
            "{ file = \"chat-key\" }",
            "{ file = \"chat-key\", env = \"KEY\" }",
        ),
        ("required", "admin = \"administrator\"", ""),
        ("section", "[identity]\nreserved = [\"administrator\"]", ""),
        ("both", "\n[listen]", "sites = \"sites.d/*.toml\"\n[listen]"),
    ];
    let bad: Vec<_> = mistakes
        .iter()
        .map(|(name, from, to)| {
            folder.config(&format!("{name}.toml"), |text| {
                assert!(text.contains(from), "{name}");
                text.replacen(from, to, 1)
            })
        })
        .collect();
    let validate = |files: &[String]| {
        let mut command = Command::new(apps.join("venv/bin/python"));
        finish(command.args(["-c", VALIDATE, &schema]).args(files)).stdout
    };
    assert_eq!(validate(&good), "good\n".repeat(good.len()));
    assert_eq!(validate(&bad), "bad\n".repeat(bad.len()));
}

/// A line for each file: `good`, or `bad` where the schema does not take it.
const VALIDATE: &str = r#"
import json, sys, tomllib
import jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
for name in sys.argv[2:]:
    with open(name, "rb") as file:
        faults = list(validator.iter_errors(tomllib.load(file)))
    print("bad" if faults else "good")
    for fault in faults:
        print(name, fault.json_path, fault.message, file=sys.stderr)
"#;

/// `run` with a file that is not good starts nothing.
fn assert_same_from_run(config: &str, stderr: &str, code: Option<i32>) {
    let run = finish(&mut program(["run", "--config", config]));
    assert_eq!(
        (run.code, run.stdout.as_str(), run.stderr.as_str()),
        (code, "", stderr)
    );
}

const WRONG: &str = r#"[log]
levle = "trace"
[[upstream]]
name = "app"
servers = ["http://127.0.0.1:3000"]
[chat]
sdk_app_id = 1400000000
secret_key = "pasted-here-by-mistake"
admin = "administrator"
[[session.issuer]]
name = "app"
algorithms = ["HS265"]
keys = { secret = { file = "session-secret" } }
[identity]
reserved = ["administrator"]
[routes]
default_access = "open"
[usersig_endpoint]
"#;

const PLACES: [&str; 4] = [
    "2:1: log.levle",
    "8:14: chat.secret_key",
    "12:15: session.issuer[1].algorithms[1]",
    "17:18: routes.default_access",
];
