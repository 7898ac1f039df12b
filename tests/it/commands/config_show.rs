//! `config show`: what a configuration comes to, and where each value is from.

use super::{Folder, QUICKSTART};
use crate::support::program::{finish, program};
use crate::support::proxy::assert_holds_no_secret;

#[test]
fn every_value_is_shown_with_its_place_or_as_a_default_and_no_secret_is() {
    let folder = Folder::new();
    let config = folder.config("proxy.toml", |text| {
        text.replace(
            "keys = { secret",
            "require = { \"/key\" = \"0123456789abcdef0123456789abcdef\" }\nkeys = { secret",
        )
    });
    let shown = finish(&mut program(["config", "show", "-c", &config, "--origin"]));
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    assert_holds_no_secret(&shown.stdout);
    let text = std::fs::read_to_string(&config).unwrap();
    let line = |start: &str| {
        let mut lines = shown.stdout.lines();
        let found = lines.find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no {start} in\n{}", shown.stdout))
    };
    for (start, written) in [
        ("level = \"trace\"", "level = \"trace\""),
        ("secret_key = { file = \"chat-key\" }", "secret_key = "),
        ("admin = \"administrator\"", "admin = "),
    ] {
        let number = text.lines().position(|line| line.starts_with(written));
        let origin = format!("  # {config}:{}", number.unwrap() + 1);
        assert!(line(start).ends_with(&origin), "{}", line(start));
    }
    for default in [
        "threads = 0",
        "format = \"json\"",
        "max_body = \"1GiB\"",
        "leeway = \"30s\"",
        "path = \"/_chat/usersig\"",
        "balance = \"round_robin\"",
    ] {
        assert!(line(default).ends_with("  # default"), "{}", line(default));
    }
    assert!(line("require = ").contains("{ \"/key\" = \"[redacted]\" }"));
    assert!(
        !shown.stdout.contains("[rest_api]"),
        "a section is made up that is off"
    );
}

#[test]
fn what_is_shown_is_a_configuration_that_comes_to_the_same() {
    let folder = Folder::new();
    let config = folder.config("proxy.toml", |text| text);
    let show = |file: &str| {
        let shown = finish(&mut program(["config", "show", "-c", file]));
        assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
        shown.stdout
    };
    let first = show(&config);
    assert!(!first.contains('#'), "{first}");
    let written = folder.file("shown.toml", &first);
    let checked = finish(&mut program(["check", &written]));
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""));
    assert_eq!(show(&written), first);
}

#[test]
fn with_several_sites_each_file_is_a_part() {
    let folder = Folder::new();
    std::fs::create_dir(folder.0.path().join("sites.d")).unwrap();
    for name in ["a", "b"] {
        folder.config(&format!("sites.d/{name}.toml"), |text| {
            let site = &text[text.find("[[upstream]]").unwrap()..];
            let site = site.replace("file = \"", "file = \"../");
            format!("hosts = [\"{name}.example\"]\n{site}")
        });
    }
    let config = folder.file("proxy.toml", "sites = \"sites.d/*.toml\"\n");
    let shown = finish(&mut program(["config", "show", "-c", &config, "--origin"]));
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    let heads: Vec<_> = shown
        .stdout
        .lines()
        .filter(|line| line.starts_with("# "))
        .collect();
    assert_eq!(heads.len(), 3, "{}", shown.stdout);
    assert!(heads[0].ends_with("proxy.toml") && heads[2].ends_with("sites.d/b.toml"));
    let main = shown.stdout.split("\n# ").next().unwrap();
    assert!(main.contains("threads = 0") && !main.contains("[chat]"));
}

#[test]
fn errors_end_with_1_and_what_cannot_be_read_with_2() {
    let folder = Folder::new();
    let wrong = folder.config("wrong.toml", |text| text.replace("[ops]", "[opps]"));
    let missing = format!("{wrong}.none");
    for (file, code, said) in [(&wrong, 1, "did you mean `ops`?"), (&missing, 2, ".none")] {
        let shown = finish(&mut program(["config", "show", "-c", file]));
        assert_eq!((shown.code, shown.stdout.as_str()), (Some(code), ""));
        assert!(shown.stderr.contains(said), "{}", shown.stderr);
    }
    let good = finish(program(["config", "show"]).env("USERSIG_PROXY_CONFIG", QUICKSTART));
    assert_eq!(good.code, Some(0));
}
