//! Between the proxy and a real app: shows what reaches the app, and passes every byte on.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::{App, Recorded};

/// A relay to the app at this address.
pub(crate) fn relay(app: SocketAddr) -> App {
    App::with(move |request, proxy| forward(app, request, proxy).unwrap_or(false))
}

/// One request on a connection of its own; `false` when the app closed it.
fn forward(app: SocketAddr, request: &Recorded, proxy: &mut TcpStream) -> io::Result<bool> {
    let mut app = TcpStream::connect(app)?;
    app.write_all(&request.raw)?;
    let mut answer = Vec::new();
    let mut bytes = [0; 16 * 1024];
    while !is_complete(&answer, request.method == "HEAD") {
        let read = app.read(&mut bytes)?;
        if read == 0 {
            proxy.write_all(&answer)?;
            return Ok(false);
        }
        answer.extend_from_slice(&bytes[..read]);
    }
    proxy.write_all(&answer)?;
    Ok(!holds(&answer, b"\r\nConnection: close\r\n"))
}

/// Whether the answer ends here; one without a length ends with its connection.
fn is_complete(answer: &[u8], is_head: bool) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parser = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(head)) = parser.parse(answer) else {
        return false;
    };
    let value = |name: &str| {
        let mut headers = parser.headers.iter();
        let found = headers.find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| String::from_utf8_lossy(header.value).into_owned())
    };
    if is_head || matches!(parser.code, Some(204 | 304)) {
        return true;
    }
    match value("content-length") {
        Some(length) => answer.len() >= head + length.parse::<usize>().unwrap(),
        None => value("transfer-encoding").is_some() && answer.ends_with(b"\r\n0\r\n\r\n"),
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
