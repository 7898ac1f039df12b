//! Unix sockets as listeners.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{FORGED, ask, behind, told};
use crate::edge::{assert_identity, get_bytes};
use crate::support::program::{finish, program};
use crate::support::proxy::{CHAT_KEY, free_address};
use crate::support::tokens::{SECRET, bearer};
use crate::support::{App, Connection, Proxy, config};

fn socket(proxy: &Proxy, name: &str) -> PathBuf {
    Path::new(&proxy.config_file()).with_file_name(name)
}

/// To be asked once a request was served: the file is there before it has its mode.
fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_client_is_served_through_a_file() {
    let app = App::start();
    let proxy = behind(&app, "http = [\"@PROXY@\", \"unix:http.sock\"]");
    let path = socket(&proxy, "http.sock");
    let mut connection = Connection::open_unix(&path);
    let response = connection.request(get_bytes("/inject/request", &bearer("alice")));
    assert_eq!(response.status, 200);
    assert_identity(&app.next(), "alice");
    assert_eq!(mode(&path), 0o660);
    let response = connection.request(get_bytes("/session/", ""));
    assert_eq!(
        (response.status, response.code().as_str()),
        (401, "token_missing")
    );
    // No browser connects to a file.
    let response = connection.request(get_bytes("/inject/cookie", &bearer("alice")));
    assert!(response.header("set-cookie").unwrap().ends_with("; Secure"));
}

#[test]
fn h9_what_a_client_says_of_itself_through_a_file_is_replaced() {
    let app = App::start();
    let proxy = behind(
        &app,
        "http = [\"@PROXY@\", \"unix:http.sock\"]\ntrusted_proxies = [\"127.0.0.0/8\"]",
    );
    ask(
        &mut Connection::open_unix(&socket(&proxy, "http.sock")),
        FORGED,
    );
    assert_eq!(told(&app.next()), [None, Some("http"), Some("localhost")]);
    let line = proxy.log_line(|line| line["path"] == "/public/");
    assert!(line.get("client").is_none(), "{line}");
}

#[test]
fn h9_the_peers_of_a_file_can_be_trusted() {
    let app = App::start();
    let proxy = behind(
        &app,
        "http = [\"@PROXY@\", \"unix:http.sock\"]\ntrusted_proxies = [\"unix\"]\nunix_mode = \"0600\"",
    );
    let path = socket(&proxy, "http.sock");
    let said = "X-Forwarded-For: 203.0.113.9, 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: app.example\r\n";
    ask(&mut Connection::open_unix(&path), said);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(
        told(&app.next()),
        [Some("192.0.2.1"), Some("https"), Some("app.example")]
    );
    let line = proxy.log_line(|line| line["path"] == "/public/");
    assert_eq!(line["client"], "192.0.2.1");
    // Whoever comes over TCP is not at the file.
    ask(&mut Connection::open(proxy.address), said);
    assert_eq!(
        told(&app.next()),
        [Some("127.0.0.1"), Some("http"), Some("localhost")]
    );
}

#[test]
fn a_file_that_a_dead_process_left_is_replaced_and_no_other() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("http.sock");
    let listen = format!("http = [\"@PROXY@\", \"unix:{}\"]", path.display());
    let app = App::start();
    drop(UnixListener::bind(&path).unwrap());
    let first = behind(&app, &listen);
    ask(&mut Connection::open_unix(&path), "");

    let second = config(app.address, "default_access = \"public\"\n")
        .replace(
            "http = [\"@PROXY@\"]",
            &format!("http = [\"unix:{}\"]", path.display()),
        )
        .replace("@OPS@", &free_address().to_string());
    let file = Path::new(&first.config_file()).with_file_name("second.toml");
    fs::write(&file, &second).unwrap();
    let run = || finish(&mut program(["run", "--config", file.to_str().unwrap()]));
    let refused = run();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let expected = format!(
        "cannot listen on unix:{}: another process listens there",
        path.display()
    );
    assert!(refused.stderr.contains(&expected), "{refused:?}");
    // The first one is still there.
    ask(&mut Connection::open_unix(&path), "");

    // It is killed, which leaves the file.
    drop(first);
    assert!(path.exists());
    let again = behind(&app, &listen);
    ask(&mut Connection::open_unix(&path), "");

    drop(again);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    let file = folder.path().join("third.toml");
    fs::write(&file, second).unwrap();
    for (name, secret) in [("chat-key", CHAT_KEY), ("session-secret", SECRET)] {
        fs::write(folder.path().join(name), secret).unwrap();
    }
    let refused = finish(&mut program(["run", "--config", file.to_str().unwrap()]));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("it is no socket"), "{refused:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}
