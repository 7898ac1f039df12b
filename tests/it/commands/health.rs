//! `health`: what a supervisor learns from it.

use std::net::TcpListener;

use super::Folder;
use crate::support::program::{Finished, finish, program};
use crate::support::proxy::free_address;
use crate::support::{App, Proxy, config};

#[test]
fn a_running_proxy_is_ready_and_alive_by_its_configuration_and_by_its_address() {
    let app = App::start();
    let proxy = Proxy::in_front_of(&app, "default_access = \"public\"\n");
    let file = proxy.config_file();
    let url = format!("http://{}", proxy.ops);
    for place in [["--config", &file], ["--url", &url]] {
        let ready = health(&place);
        assert_eq!((ready.code, ready.stderr.as_str()), (Some(0), ""));
        assert!(ready.stdout.starts_with("ready\n"), "{ready:?}");
        let alive = health(&[place[0], place[1], "--live"]);
        assert_eq!((alive.code, alive.stdout.as_str()), (Some(0), "ok\n"));
    }
    let by_environment = finish(program(["health"]).env("USERSIG_PROXY_CONFIG", &file));
    assert_eq!(by_environment.code, Some(0), "{by_environment:?}");
    // What else is wrong with the file by now says nothing about the process that runs.
    let text = std::fs::read_to_string(&file).unwrap();
    let spoilt = text.replace("[log]", "[lgo]").replace("chat-key", "gone");
    std::fs::write(&file, spoilt).unwrap();
    assert_eq!(health(&["--config", &file]).code, Some(0));
    // The file is wrong when it is read again, too; that is not what this test is about.
    std::fs::write(&file, text).unwrap();
}

#[test]
fn a_proxy_that_stops_is_alive_and_not_ready() {
    let app = App::start();
    let text = config(app.address, "default_access = \"public\"\n");
    let proxy = Proxy::start(&text.replace("[log]", "[runtime]\ndrain_delay = \"1h\"\n[log]"));
    let file = proxy.config_file();
    assert_eq!(health(&["-c", &file]).code, Some(0));
    proxy.signal("TERM");
    let stopping = loop {
        let asked = health(&["-c", &file]);
        if asked.code != Some(0) {
            break asked;
        }
    };
    assert_eq!((stopping.code, stopping.stdout.as_str()), (Some(1), ""));
    let said = format!("http://{}/readyz: 503: not ready\n", proxy.ops);
    assert_eq!(stopping.stderr, said);
    assert_eq!(health(&["-c", &file, "--live"]).code, Some(0));
}

#[test]
fn nobody_silence_and_what_is_no_http_are_told_apart_and_end_with_1() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let babble = App::answering("220 mail.example ESMTP\r\n\r\n");
    let no_length = App::with(|_, stream| {
        use std::io::Write;
        let _ =
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\nkeys: none\x1b[2J yet\n");
        false
    });
    for (case, address, timeout, said) in [
        ("nobody", free_address(), "60s", "nobody listens there"),
        ("silence", silent, "300ms", "no answer within 300ms"),
        ("no HTTP", babble.address, "300ms", "no answer within 300ms"),
        (
            "why not",
            no_length.address,
            "60s",
            "503: keys: none[2J yet",
        ),
    ] {
        let url = format!("http://{address}");
        let asked = health(&["--url", &url, "--timeout", timeout]);
        assert_eq!((asked.code, asked.stdout.as_str()), (Some(1), ""), "{case}");
        assert!(asked.stderr.contains(said), "{case}: {}", asked.stderr);
        assert_eq!(asked.stderr.lines().count(), 1, "{case}");
    }
}

#[test]
fn a_configuration_that_does_not_say_where_ends_with_1_or_2() {
    let folder = Folder::new();
    let wrong = folder.file("wrong.toml", "[ops]\nlisten = \"everywhere\"\n");
    let missing = format!("{wrong}.none");
    for (file, code, said) in [
        (&wrong, 1, "is not an address to listen on"),
        (&missing, 2, "cannot be read"),
    ] {
        let asked = health(&["--config", file]);
        assert_eq!((asked.code, asked.stdout.as_str()), (Some(code), ""));
        assert!(asked.stderr.contains(said), "{}", asked.stderr);
    }
}

/// One on every address is asked on this machine.
#[test]
fn a_listener_on_every_address_is_asked_by_loopback() {
    let folder = Folder::new();
    let port = free_address().port();
    let file = folder.file("any.toml", &format!("[ops]\nlisten = \"0.0.0.0:{port}\"\n"));
    let asked = health(&["--config", &file]);
    let start = format!("http://127.0.0.1:{port}/readyz: nobody listens there");
    assert!(asked.stderr.starts_with(&start), "{}", asked.stderr);
}

fn health(arguments: &[&str]) -> Finished {
    finish(program(["health"]).args(arguments))
}
