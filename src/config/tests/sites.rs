//! Several sites: a main file and one file for each.

use std::cell::Cell;
use std::os::unix::fs::symlink;

use super::*;

/// A site's file for one host, with the Chat key in a file of the site's own folder.
fn site(host: &str) -> String {
    format!("hosts = [\"{host}\"]\n{BASE}").replace("{ env = \"CHAT\" }", "{ file = \"chat.key\" }")
}

fn world() -> World {
    let world = World::new();
    fs::create_dir(world.folder.path().join("sites.d")).unwrap();
    world.file("sites.d/chat.key", CHAT_KEY);
    world.file("sites.d/a.toml", site("a.example"));
    world.file("sites.d/b.toml", site("b.example"));
    world
}

const MAIN: &str = "sites = \"sites.d/*.toml\"\n";

#[test]
fn each_file_is_a_site_with_its_own_name_hosts_and_folder() {
    let config = world().good(&format!("{MAIN}[ops]\nlisten = \"127.0.0.1:9191\"\n"));
    let sites: Vec<_> = config
        .sites
        .iter()
        .map(|site| (site.name.as_str(), site.hosts.clone()))
        .collect();
    let host = |name| vec![HostName::parse(name).unwrap()];
    assert_eq!(sites, [("a", host("a.example")), ("b", host("b.example"))]);
    assert_eq!(config.ops.port(), 9191);
}

#[test]
fn a_file_without_sites_is_one_site_for_any_host_unless_it_names_some() {
    let world = World::new();
    let config = world.good(BASE);
    assert_eq!(config.sites[0].name, "default");
    assert_eq!(config.sites[0].hosts, []);
    let config = world.good(&format!("hosts = [\"A.Example.\"]\n{BASE}"));
    assert_eq!(
        config.sites[0].hosts,
        [HostName::parse("a.example").unwrap()]
    );
}

#[test]
fn faults_of_all_files_are_reported_at_once_each_with_its_file() {
    let world = world();
    world.file(
        "sites.d/a.toml",
        site("a.example").replace("1400000000", "0"),
    );
    world.file(
        "sites.d/b.toml",
        site("a.example").replace("access = \"session\"", "access = \"no\""),
    );
    world.file("sites.d/c.toml", b"hosts = [\"\xff\"]");
    world.file("sites.d/d e.toml", site("d.example"));
    world.file("sites.d/e.toml", BASE);
    fs::create_dir(world.folder.path().join("sites.d/f.toml")).unwrap();
    let errors = world.errors(&format!("{MAIN}[ops]\nlisten = 1\n"));
    let beginnings = [
        "1:9: sites: sites.d/f.toml: cannot be read: not a regular file",
        "3:10: ops.listen: expected a string",
        "sites.d/c.toml:1:11: is not UTF-8",
        "sites.d/a.toml:6:14: chat.sdk_app_id: must be from 1",
        "sites.d/b.toml:16:18: routes.default_access: must be one of",
        "sites.d/d e.toml:1:1: the file's name, which is the site's, is not a name for a site",
        "sites.d/e.toml:1:1: hosts: is required",
    ];
    for beginning in beginnings {
        let found = errors.iter().any(|error| error.starts_with(beginning));
        assert!(found, "{beginning}\n{errors:#?}");
    }
}

#[test]
fn a_host_belongs_to_one_site() {
    let world = world();
    world.file("sites.d/b.toml", site("A.example."));
    let errors = world.errors(MAIN);
    let [error] = &errors[..] else {
        panic!("{errors:#?}")
    };
    assert!(error.starts_with("sites.d/b.toml:1:10: hosts[1]: is a host of the site in "));
    world.file("sites.d/b.toml", site("a.example.net"));
    assert_eq!(world.good(MAIN).sites.len(), 2);
}

#[test]
fn a_name_belongs_to_one_site_also_over_folders_and_without_case() {
    let world = world();
    let several = "sites = \"sites.d/*/*.toml\"\n";
    for folder in ["a", "b", "c"] {
        fs::create_dir(world.folder.path().join("sites.d").join(folder)).unwrap();
        let text = site(&format!("{folder}.example")).replace("chat.key", "../chat.key");
        world.file(&format!("sites.d/{folder}/{folder}.toml"), text);
    }
    assert_eq!(world.good(several).sites.len(), 3);
    let rename = |from: &str, to: &str| {
        let path = |name| world.folder.path().join("sites.d").join(name);
        fs::rename(path(from), path(to)).unwrap();
    };
    rename("b/b.toml", "b/A.toml");
    rename("c/c.toml", "c/a.toml");
    let errors = world.errors(several);
    let beginnings = [
        "sites.d/b/A.toml:1:1: the file's name, which is the site's, is that of sites.d/a/a.toml already",
        "sites.d/c/a.toml:1:1: the file's name, which is the site's, is that of sites.d/a/a.toml already",
    ];
    assert_eq!(errors.len(), 2, "{errors:#?}");
    for (error, beginning) in errors.iter().zip(beginnings) {
        assert!(error.starts_with(beginning), "{error}");
    }
    // One that has other errors still has its name.
    world.file("sites.d/a/a.toml", "hosts = 7");
    rename("c/a.toml", "c/c.toml");
    let errors = world.errors(several);
    let named = errors.iter().any(|error| error.starts_with(beginnings[0]));
    assert!(named, "{errors:#?}");
}

#[test]
fn a_site_is_not_called_what_metrics_call_no_site() {
    let world = world();
    let path = |name: &str| world.folder.path().join("sites.d").join(name);
    for (name, is_fine) in [
        ("none.toml", false),
        ("None.toml", false),
        ("nonesuch.toml", true),
        ("default.toml", true),
    ] {
        fs::rename(path("b.toml"), path(name)).unwrap();
        let errors = world.errors(MAIN);
        let expected = format!(
            "sites.d/{name}:1:1: the file's name, which is the site's, is not a name for a site"
        );
        let is_refused = errors.len() == 1 && errors[0].starts_with(&expected);
        assert!(
            is_refused || is_fine && errors.is_empty(),
            "{name}: {errors:?}"
        );
        fs::rename(path(name), path("b.toml")).unwrap();
    }
}

#[test]
fn what_belongs_to_a_site_does_not_stand_in_the_main_file_and_the_other_way_round() {
    let world = world();
    let errors = world.errors(&format!("{MAIN}{BASE}"));
    let keys: Vec<_> = errors
        .iter()
        .filter_map(|error| {
            error
                .split_once(": belongs into the file of a site")?
                .0
                .rsplit(' ')
                .next()
        })
        .collect();
    let expected = ["upstream", "chat", "session", "identity", "routes", "route"];
    assert_eq!(keys, expected, "{errors:#?}");
    world.file(
        "sites.d/b.toml",
        format!("demo = true\n{}", site("b.example")),
    );
    let errors = world.errors(MAIN);
    assert!(
        errors[0].starts_with("sites.d/b.toml:1:1: demo: unknown key"),
        "{errors:#?}"
    );
}

#[test]
fn a_pattern_that_finds_nothing_is_an_error() {
    let world = world();
    for (pattern, problem) in [
        ("site.d/*.toml", "matches no file"),
        ("sites.d/***.toml", "is not a pattern of file names"),
    ] {
        let errors = world.errors(&format!("sites = \"{pattern}\"\n"));
        let expected =
            format!("1:9: sites: {problem} (sites = \"sites.d/*.toml\", one file for each site)");
        assert_eq!(errors, [expected]);
    }
}

#[test]
fn a_route_for_a_host_that_is_not_the_sites_own_is_an_error() {
    let world = World::new();
    let text = |host: &str| {
        let route = format!("match = {{ host = \"{host}\", path");
        format!("hosts = [\"a.example\"]\n{BASE}").replace("match = { path", &route)
    };
    let errors = world.errors(&text("b.example"));
    assert_eq!(
        errors,
        ["18:18: route[1].match.host: is none of the hosts of this site (add it to hosts)"]
    );
    world.good(&text("A.example"));
}

#[test]
fn a_site_in_a_folder_that_cannot_be_looked_into_is_an_error_and_not_gone() {
    let world = world();
    let path = |name: &str| world.folder.path().join(name);
    for name in ["a", "b"] {
        fs::create_dir(path("sites.d").join(name)).unwrap();
        let text = site(&format!("{name}.example")).replace("chat.key", "../chat.key");
        world.file(&format!("sites.d/{name}/{name}.toml"), text);
    }
    let main = "sites = \"sites.d/*/*.toml\"\n";
    assert_eq!(world.good(main).sites.len(), 2);
    fs::remove_dir_all(path("sites.d/b")).unwrap();
    symlink("b", path("sites.d/b")).unwrap();
    let errors = world.errors(main);
    let [error] = &errors[..] else {
        panic!("{errors:#?}")
    };
    assert!(
        error.starts_with("1:9: sites: sites.d/b cannot be looked into: "),
        "{error}"
    );
}

#[test]
fn a_configuration_is_what_stood_on_the_disk_at_one_moment() {
    let key = |version: usize| CHAT_KEY.replace("f00d", &format!("{version:04x}"));
    // The Chat key changes between the first site and the second, in the first `changes` attempts to read.
    let load = |changes: usize| {
        let world = world();
        let path = world.file("config.toml", MAIN);
        let lookups = Cell::new(0);
        let env = |name: &str| {
            let (attempt, site) = (lookups.get() / 2, lookups.get() % 2);
            if site == 0 && attempt < changes {
                let draft = world.file("draft", key(attempt));
                fs::rename(draft, world.folder.path().join("sites.d/chat.key")).unwrap();
            }
            lookups.set(lookups.get() + 1);
            world.env.get(name).cloned()
        };
        let (config, watched) = load_watched(&path, &env);
        assert_eq!(watched.as_read() == watched.as_it_is(), config.is_ok());
        (config, lookups.get() / 2)
    };
    for changes in 1..=2 {
        let (config, attempts) = load(changes);
        assert_eq!(attempts, changes + 1);
        let latest = SecretKey::parse(&key(changes - 1)).unwrap();
        for site in config.unwrap().sites {
            let active = site.chat.keys.active();
            assert!(active.is_same_as(&latest), "{} {changes}", site.name);
        }
    }
    let (config, attempts) = load(usize::MAX);
    assert_eq!(attempts, 3);
    let error = config.unwrap_err().to_string();
    let end = "config.toml: the configuration's files keep changing while they are read";
    assert!(error.ends_with(end), "{error}");
}

#[test]
fn every_file_that_was_read_is_watched_also_after_an_error() {
    let world = world();
    let path = world.file("config.toml", MAIN);
    let look = |world: &World| {
        let env = |name: &str| world.env.get(name).cloned();
        load_watched(&path, &env).1
    };
    for spoilt in [false, true] {
        if spoilt {
            world.file("sites.d/b.toml", "hosts = 7");
        }
        let files = [
            "config.toml",
            "sites.d/a.toml",
            "sites.d/b.toml",
            "sites.d/chat.key",
            "sites.d/c.toml",
        ];
        for name in files {
            let watched = look(&world);
            assert_eq!(watched.as_read(), watched.as_it_is());
            let file = world.folder.path().join(name);
            let before = fs::read(&file).ok();
            world.file(name, "something else, and longer");
            assert_ne!(watched.as_read(), watched.as_it_is(), "{name} {spoilt}");
            match before {
                Some(content) => drop(world.file(name, content)),
                None => fs::remove_file(&file).unwrap(),
            }
        }
    }
}
