//! What is sent again, and what never is.

use std::net::TcpStream;
use std::slice;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::front::{Certificate, Front, key_file};
use super::{answer, configured, http, https, is_healthy, named, proxy, turns, wait_for};
use crate::support::proxy::free_address;
use crate::support::{App, Connection, Proxy, get, send};

const KEPT: usize = 6;
const RARELY: &str = "health = { interval = \"1h\" }";

/// On one thread, on which no connection is asked for while the one before it is still being let go: the framework then
/// makes a new one.
fn pooled(app: &App) -> Proxy {
    let threads = "[runtime]\nthreads = 1\n";
    Proxy::start(&configured(&[http(app.address)], "", threads))
}

fn post(body: &str) -> String {
    let length = body.len();
    format!("POST /order HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[test]
fn a_post_whose_connection_fails_reaches_another_server_once_and_whole() {
    let app = named("hello");
    let body = "x".repeat(200_000);
    for dead in 1..=2 {
        let mut servers: Vec<_> = (0..dead).map(|_| http(free_address())).collect();
        servers.push(http(app.address));
        let proxy = proxy(&servers, RARELY);
        for _ in 0..6 {
            assert_eq!(send(proxy.address, post(&body)).status, 200, "{dead}");
            let seen = app.seen();
            assert_eq!(seen.len(), 1, "{dead}");
            assert!(seen[0].body == body.as_bytes(), "{dead}");
        }
    }
}

/// The app has read it and may have acted on it: nobody can know, so nobody sends it again.
#[test]
fn a_post_that_was_sent_is_never_sent_twice() {
    for kept in [false, true] {
        let cut = |request: &crate::support::Recorded, stream: &mut TcpStream| {
            request.method != "POST" && answer(stream, "hello")
        };
        let apps = [App::with(cut), App::with(cut)];
        let servers = apps.each_ref().map(|app| http(app.address));
        let proxy = proxy(&servers, RARELY);
        if kept {
            for _ in 0..2 {
                assert_eq!(get(proxy.address, "/", "").status, 200);
            }
        }
        for number in 1..=4 {
            let response = send(proxy.address, post("once"));
            assert_eq!(
                (response.status, response.code().as_str()),
                (502, "upstream_invalid")
            );
            // The access line comes after every try.
            proxy.log_lines(number, |line| line["path"] == "/order");
        }
        let posts = apps.iter().flat_map(App::seen);
        let posts = posts.filter(|request| request.method == "POST");
        assert_eq!(posts.count(), 4, "kept: {kept}");
        // An answer that fails is no reason to leave a server out: a client could bring it about.
        assert!(servers.iter().all(|server| is_healthy(&proxy, server)));
    }
}

/// The twin: what changes nothing is sent again where a kept connection turns out to be closed.
#[test]
fn a_get_on_a_kept_connection_that_was_closed_is_sent_again() {
    let first = AtomicBool::new(true);
    let app = App::with(move |request, stream| {
        // The second request on the first connection gets no answer.
        let is_second = request.target == "/again" && first.swap(false, Ordering::SeqCst);
        !is_second && answer(stream, "hello")
    });
    let proxy = pooled(&app);
    assert_eq!(get(proxy.address, "/", "").status, 200);
    proxy.log_line(|line| line["path"] == "/");
    assert_eq!(get(proxy.address, "/again", "").status, 200);
    let seen = app.seen();
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[0].connection, seen[1].connection);
    assert_ne!(seen[1].connection, seen[2].connection);
}

/// Many kept connections are no reason to take the app down with each of them.
#[test]
fn a_get_that_has_no_answer_is_sent_twice_at_most() {
    let together = Barrier::new(KEPT);
    let app = App::with(move |request, stream| {
        if request.target == "/" {
            together.wait();
        }
        request.target != "/die" && answer(stream, "hello")
    });
    let proxy = pooled(&app);
    thread::scope(|scope| {
        for _ in 0..KEPT {
            scope.spawn(|| assert_eq!(get(proxy.address, "/", "").status, 200));
        }
    });
    proxy.log_lines(KEPT, |line| line["path"] == "/");
    let kept: Vec<_> = app.seen().iter().map(|seen| seen.connection).collect();
    let response = get(proxy.address, "/die", "");
    assert_eq!(
        (response.status, response.code().as_str()),
        (502, "upstream_invalid")
    );
    proxy.log_line(|line| line["path"] == "/die");
    let seen = app.seen();
    assert_eq!(seen.len(), 2);
    assert!(kept.contains(&seen[0].connection));
}

#[test]
fn no_request_is_tried_at_more_than_three_servers_or_twice_at_one() {
    for (servers, tries) in [(5, 3), (2, 2), (1, 1)] {
        let fronts: Vec<_> = (0..servers).map(|_| Front::hanging_up()).collect();
        let addresses: Vec<_> = fronts.iter().map(|front| https(front.address)).collect();
        let proxy = proxy(&addresses, "health = { path = \"/\", interval = \"1h\" }");
        // The check at the start is the first connection of each.
        wait_for(|| fronts.iter().all(|front| front.connections() == 1));
        let response = get(proxy.address, "/", "");
        assert_eq!(
            (response.status, response.code().as_str()),
            (502, "upstream_unreachable")
        );
        let counts: Vec<_> = fronts.iter().map(|front| front.connections() - 1).collect();
        assert_eq!(counts.iter().sum::<usize>(), tries, "{counts:?}");
        assert!(counts.iter().all(|count| *count <= 1), "{counts:?}");
    }
}

/// One that neither refuses nor speaks costs its share of `connect_timeout`, and all of them together no more than it.
#[test]
fn a_server_that_hangs_costs_a_part_of_the_time_and_fails_nothing() {
    let app = named("hello");
    let front = Front::tls(Certificate::App, &[], app.address);
    let silent = [Front::silent(), Front::silent()];
    let lines = format!(
        "ca = {:?}\nserver_name = \"app.internal\"\nconnect_timeout = \"20s\"\n{RARELY}",
        key_file("upstreams/ca.pem")
    );
    let good = [https(silent[0].address), https(front.address)];
    let with_good = proxy(&good, &lines);
    for _ in 0..2 {
        assert_eq!(get(with_good.address, "/", "").text(), "hello");
    }

    let all_silent = silent.each_ref().map(|silent| https(silent.address));
    let without = proxy(&all_silent, &lines);
    let started = Instant::now();
    let response = get(without.address, "/", "");
    let elapsed = started.elapsed();
    assert_eq!(
        (response.status, response.code().as_str()),
        (504, "upstream_timeout")
    );
    // Less than one full time for each.
    assert!(elapsed < Duration::from_secs(40), "{elapsed:?}");
}

/// With one server there is nothing to choose: it is asked however often connections to it failed.
#[test]
fn a_single_server_is_asked_always() {
    let address = free_address();
    let app = named("hello");
    let server = http(address);
    let proxy = proxy(slice::from_ref(&server), "");
    for _ in 0..5 {
        assert_eq!(get(proxy.address, "/", "").status, 502);
    }
    assert!(!is_healthy(&proxy, &server));
    let _back = Front::tcp(address, app.address);
    let mut connection = Connection::open(proxy.address);
    assert_eq!(
        connection
            .request("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .text(),
        "hello"
    );
    assert!(is_healthy(&proxy, &server));
    assert_eq!(turns(&proxy), (1, 1));
}

#[test]
fn a_name_that_does_not_resolve_is_left_for_another_server() {
    let app = named("hello");
    let servers = ["http://nowhere.invalid".to_owned(), http(app.address)];
    let proxy = proxy(&servers, RARELY);
    for _ in 0..8 {
        assert_eq!(get(proxy.address, "/", "").text(), "hello");
    }
}
