//! Where clients connect: TLS, Unix sockets, proxies in front, the PROXY protocol; on the running program.

mod foreign;
mod forwarded;
mod many;
mod proxy_protocol;
mod tls;
mod unix;

use crate::edge::typical_routes;
use crate::support::tls::pair;
use crate::support::{App, Connection, Proxy, Recorded, config};

/// The routes of the edge's tests behind listeners of one's own: `listen` stands in `[listen]`, `@PROXY@` in it for the
/// address that the tests connect to.
fn behind(app: &App, listen: &str) -> Proxy {
    let config = config(app.address, &typical_routes(""));
    Proxy::start(&config.replacen("http = [\"@PROXY@\"]", listen, 1))
}

/// One TLS listener with this certificate and more beside it.
fn https(name: &str, more: &str) -> String {
    format!(
        "https = [{{ address = \"@PROXY@\", {}{more} }}]",
        pair(name)
    )
}

/// A GET on a connection, answered by the app.
fn ask(connection: &mut Connection, header_lines: &str) {
    let request = crate::edge::get_bytes("/public/", header_lines);
    let response = connection.request(request);
    assert_eq!((response.status, response.text().as_str()), (200, "hello"));
}

/// What the app was told of where a request came from: X-Forwarded-For, -Proto and -Host, and nothing else of that kind.
fn told(request: &Recorded) -> [Option<&str>; 3] {
    let known = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
    for (name, _) in &request.headers {
        let folded = name.to_ascii_lowercase().replace('_', "-");
        let is_forwarding = folded.contains("forwarded") || folded.contains("real-ip");
        assert!(
            !is_forwarding || known.contains(&name.to_ascii_lowercase().as_str()),
            "{request:?}"
        );
    }
    known.map(|name| request.header(name))
}

/// In every spelling and family, what a client would like to be taken for.
const FORGED: &str = "X-Forwarded-For: 198.51.100.1\r\nx-forwarded-for: 198.51.100.2\r\nX_Forwarded_For: 198.51.100.3\r\n\
     X-Forwarded-Proto: gopher\r\nX_Forwarded_Proto: gopher\r\nX-Forwarded-Host: forged.example\r\nX-Real-IP: 198.51.100.4\r\n\
     Forwarded: for=198.51.100.5;proto=gopher;host=forged.example\r\nX-Forwarded-Port: 1\r\n";
