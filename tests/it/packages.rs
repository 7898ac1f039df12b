//! What the program is deployed with: image, unit, Debian package, Kubernetes objects, chart.
//!
//! Nothing here needs a network but the installation of the linters (`tests/packages/setup`), and nothing a cluster or Docker.

mod kubernetes;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::guides::{check, folder};
use crate::monitoring::{read, root};
use crate::support::foreign::{has, linters, say_skipped};
use crate::support::get;
use crate::support::program::{Background, finish};
use crate::support::proxy::free_address;

#[test]
fn the_image_has_no_shell_and_a_numeric_user() {
    let stages = stages();
    let (build, image) = (&stages[0], &stages[1]);
    assert_eq!(stages.len(), 2);
    assert_eq!(image[0], "FROM scratch");
    let of = |name: &str| -> Vec<&str> {
        let lines = image.iter().filter_map(|line| line.strip_prefix(name));
        lines.map(str::trim).collect()
    };
    assert_eq!(
        of("RUN "),
        Vec::<&str>::new(),
        "an empty image runs nothing"
    );
    assert_eq!(of("COPY "), ["--from=build /rootfs/ /"]);
    let user = of("USER ")[0];
    let ids: Vec<u32> = user.split(':').map(|id| id.parse().unwrap()).collect();
    assert!(ids.len() == 2 && ids.iter().all(|id| *id > 0), "{user}");
    let words = |line: &str| -> Vec<String> { serde_json::from_str(line).unwrap() };
    let binary = "/usr/bin/usersig-proxy";
    assert_eq!(words(of("ENTRYPOINT ")[0]), [binary]);
    let config = "/etc/usersig-proxy/proxy.toml";
    assert_eq!(words(of("CMD ")[0]), ["run", "--config", config]);
    let health = of("HEALTHCHECK ")[0].split_once("CMD ").unwrap().1;
    let address = read("conf/usersig-proxy.toml");
    let address = address.split_once("\n[ops]\n").unwrap().1;
    let address = address.split_once("#listen = \"").unwrap().1;
    let url = format!("http://{}", address.split_once('"').unwrap().0);
    assert_eq!(words(health), [binary, "health", "--url", &url]);
    let built = build
        .iter()
        .any(|line| line.contains("cargo build --release --locked"));
    assert!(built, "{build:?}");
}

/// The context of the build is what `.dockerignore` lets in: all that the manifest and the sources name must be in it.
#[test]
fn the_images_build_gets_every_file_that_the_sources_include() {
    let rules = read(".dockerignore");
    let rules: Vec<_> = rules
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    assert_eq!(rules[0], "*", "nothing is let in that is not listed");
    let is_in = |path: &str| {
        let top = path.split('/').next().unwrap();
        let is_left_out = rules[1..]
            .iter()
            .any(|rule| path.starts_with(&format!("{rule}/")));
        rules.contains(&format!("!{top}").as_str()) && !is_left_out
    };
    let mut included = included(&root().join("src"));
    assert!(included.contains(&"conf/quickstart.toml".to_owned()));
    let manifest = read("Cargo.toml");
    let paths = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \""));
    included.extend(paths.map(|path| path.trim_end_matches('"').to_owned()));
    for path in included {
        assert!(is_in(&path), "{path}");
    }
    assert!(!is_in("target/debug/usersig-proxy") && !is_in("tests/apps/setup"));
}

/// Files that sources in this folder include, from the root of the package.
fn included(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if path.is_dir() {
            found.extend(included(&path));
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let names = ["include_str!(\"", "include_bytes!(\""]
            .into_iter()
            .flat_map(|word| text.split(word).skip(1));
        for name in names.filter_map(|rest| rest.split('"').next()) {
            let file = path.parent().unwrap().join(name).canonicalize().unwrap();
            let file = file.strip_prefix(root().canonicalize().unwrap()).unwrap();
            found.push(file.to_str().unwrap().to_owned());
        }
    }
    found
}

/// `rootfs` makes what the image holds. Without anything else, as its user, read-only, the program serves.
#[test]
fn the_files_of_the_image_are_all_that_the_program_needs() {
    let name = "the_files_of_the_image";
    if !has(name, &["chroot", "unshare", "ldd"]) {
        return;
    }
    if finish(Command::new("unshare").args(["-m", "true"])).code != Some(0) {
        say_skipped(name, "this user may make no namespace");
        return;
    }
    let folder = TempDir::new().unwrap();
    let image = folder.path().join("image");
    let made = finish(
        Command::new(root().join("conf/docker/rootfs"))
            .arg(env!("CARGO_BIN_EXE_usersig-proxy"))
            .arg(&image),
    );
    assert_eq!(made.code, Some(0), "{made:?}");
    let config = image.join("etc/usersig-proxy");
    copy_folder("conf/demo", &config.join("demo"));
    let quickstart = read("conf/quickstart.toml");
    for _ in 0..5 {
        let (http, ops) = (free_address(), free_address());
        let text = quickstart
            .replace("127.0.0.1:8080", &http.to_string())
            .replace("127.0.0.1:9090", &ops.to_string());
        fs::write(config.join("proxy.toml"), text).unwrap();
        open_to_all(folder.path());
        let mut process = Background::spawn(
            Command::new("unshare")
                .args(["-m", "sh", "-c", IN_IMAGE])
                .arg(&image),
        );
        if process.wait_until_it_listens(ops) && process.wait_until_it_listens(http) {
            while get(ops, "/readyz", "").status != 200 {
                thread::park_timeout(Duration::from_millis(2));
            }
            assert_refuses(http);
            return;
        }
        assert_eq!(process.stdout(), "", "{}", process.stderr());
    }
    panic!("it does not start");
}

/// The app is not there: a refusal is the proxy's own answer.
fn assert_refuses(http: SocketAddr) {
    let response = get(http, "/api/me", "");
    assert_eq!(
        (response.status, response.code().as_str()),
        (401, "token_missing")
    );
}

#[test]
fn systemd_takes_the_unit_and_finds_little_that_it_could_close() {
    if !has("systemd_takes_the_unit", &["systemd-analyze"]) {
        return;
    }
    let unit = read("conf/systemd/usersig-proxy.service");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("usersig-proxy.service");
    let here = unit.replace(
        "/usr/bin/usersig-proxy",
        env!("CARGO_BIN_EXE_usersig-proxy"),
    );
    assert_eq!(here.matches(env!("CARGO_BIN_EXE_usersig-proxy")).count(), 1);
    fs::write(&file, &here).unwrap();
    let verify = |file| finish(Command::new("systemd-analyze").arg("verify").arg(file));
    let verified = verify(&file);
    assert_eq!((verified.code, verified.stderr.as_str()), (Some(0), ""));
    let wrong = folder.path().join("wrong.service");
    fs::write(
        &wrong,
        here.replace("LockPersonality=", "LockPersonalities="),
    )
    .unwrap();
    assert!(verify(&wrong).stderr.contains("LockPersonalities"));

    let security = |file, threshold: &str| {
        let mut command = Command::new("systemd-analyze");
        let command = command.args(["security", "--offline=true"]);
        finish(command.arg(format!("--threshold={threshold}")).arg(file)).code
    };
    assert_eq!(
        security(&file, "15"),
        Some(0),
        "an exposure above 1.5 of 10"
    );
    fs::write(&wrong, here.replace("CapabilityBoundingSet=\n", "")).unwrap();
    assert_eq!(security(&wrong, "15"), Some(1), "every capability passes");
}

/// The configuration beside it, with the secrets that the unit loads.
#[test]
fn the_units_configuration_finds_its_credentials() {
    let unit = read("conf/systemd/usersig-proxy.service");
    let text = read("conf/systemd/proxy.toml");
    for credential in ["chat-secret-key", "session-secret"] {
        assert!(unit.contains(&format!(
            "LoadCredential={credential}:/etc/usersig-proxy/secrets/{credential}\n"
        )));
        assert!(text.contains(&format!("{{ credential = \"{credential}\" }}")));
    }
    let folder = folder();
    let finished = check(folder.path(), &text);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(!finished.stdout.contains("warning"), "{}", finished.stdout);
    fs::remove_file(folder.path().join("session-secret")).unwrap();
    assert_ne!(check(folder.path(), &text).code, Some(0));
}

#[test]
fn the_debian_package_is_made_of_files_that_exist() {
    let package = package();
    let deb = &package["metadata"]["deb"];
    let assets = deb["assets"].as_array().unwrap();
    let assets: BTreeMap<&str, &str> = assets
        .iter()
        .map(|asset| (asset[0].as_str().unwrap(), asset[1].as_str().unwrap()))
        .collect();
    for (source, target) in &assets {
        let is_built = source.starts_with("target/release/");
        assert!(is_built || root().join(source).is_file(), "{source}");
        assert!(!target.starts_with('/'), "{target}");
    }
    let files = deb["conf-files"].as_array().unwrap();
    for file in files {
        let target = file.as_str().unwrap().trim_start_matches('/');
        assert!(assets.values().any(|found| *found == target), "{target}");
    }
    let units = deb["systemd-units"]["unit-scripts"].as_str().unwrap();
    assert!(root().join(units).join("usersig-proxy.service").is_file());
    let scripts = root().join(deb["maintainer-scripts"].as_str().unwrap());
    let postinst = fs::read_to_string(scripts.join("postinst")).unwrap();
    let unit = read("conf/systemd/usersig-proxy.service");
    // cargo-deb writes the rest in its place, with the user of NAME.sysusers beside the unit.
    assert!(postinst.ends_with("\n#DEBHELPER#\n"));
    let secrets = "/etc/usersig-proxy/secrets";
    assert!(postinst.contains(&format!("chmod 0700 {secrets}\n")) && unit.contains(secrets));
    assert!(unit.contains("\nUser=usersig-proxy\n"));
    assert!(read("conf/systemd/usersig-proxy.sysusers").starts_with("u usersig-proxy "));
    assert!(unit.contains(&format!(
        "/{}",
        files[0].as_str().unwrap().trim_start_matches('/')
    )));
}

/// hadolint, yamllint, the schemas of Kubernetes, and Helm's own lint and schema; each also on something wrong.
#[test]
fn the_linters_take_every_file() {
    let Some(installed) = linters("the_linters_take_every_file") else {
        return;
    };
    let finished = finish(
        Command::new(installed.join("venv/bin/python"))
            .current_dir(root())
            .arg("tests/packages/lint.py"),
    );
    assert_eq!(
        finished.code,
        Some(0),
        "{}\n{}",
        finished.stdout,
        finished.stderr
    );
    assert!(
        finished.stdout.ends_with("all good\n"),
        "{}",
        finished.stdout
    );
}

/// The package as cargo reads it.
fn package() -> serde_json::Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    let command = command.current_dir(root()).args(METADATA);
    let finished = finish(command);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let metadata: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let mut named = packages
        .iter()
        .filter(|package| package["name"] == "usersig-proxy");
    named.next().unwrap().clone()
}

/// The lines of each stage of the Dockerfile, those that end in a backslash joined.
fn stages() -> Vec<Vec<String>> {
    let text = read("conf/docker/Dockerfile").replace("\\\n", " ");
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut stages: Vec<Vec<String>> = Vec::new();
    for line in lines {
        if line.starts_with("FROM ") {
            stages.push(Vec::new());
        }
        stages.last_mut().unwrap().push(line.to_owned());
    }
    stages
}

fn copy_folder(from: &str, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(root().join(from)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn open_to_all(folder: &Path) {
    let opened = finish(Command::new("chmod").args(["-R", "a+rX"]).arg(folder));
    assert_eq!(opened.code, Some(0), "{opened:?}");
}

const METADATA: [&str; 4] = ["metadata", "--no-deps", "--offline", "--format-version=1"];

/// In the image alone, which is read-only, as the image's user. `$0` is the folder.
const IN_IMAGE: &str = "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && exec chroot --userspec=65532:65532 \"$0\" \
     /usr/bin/usersig-proxy run --config /etc/usersig-proxy/proxy.toml";
