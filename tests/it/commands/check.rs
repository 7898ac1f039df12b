//! `check`, and that `run` says the same and ends with the same exit code.

use super::{Folder, QUICKSTART};
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
