//! The app behind the proxy: it records every request byte for byte and answers what the test says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request as the app read it.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names as they came, in the order of the wire.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Everything that was read for it, framing included.
    pub(crate) raw: Vec<u8>,
    /// The port of the proxy's end of the connection: the same for requests that share one.
    pub(crate) connection: u16,
}

impl Recorded {
    /// All values sent under a name, without regard to case.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter();
        named
            .filter(|(sent, _)| sent.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The value sent under a name that must not be repeated.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        assert!(values.len() < 2, "{name} is repeated: {self:?}");
        values.first().copied()
    }
}

/// Writes the answer to one request; returning `false` closes the connection.
pub(crate) type Handler = dyn Fn(&Recorded, &mut TcpStream) -> bool + Send + Sync;

/// A server on a free port of loopback, for as long as the process lives.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    requests: Mutex<Receiver<Recorded>>,
}

impl App {
    /// Answers every request with 200 and a short text.
    pub(crate) fn start() -> Self {
        Self::answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    }

    /// Answers every request with these bytes.
    pub(crate) fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::with(move |_, stream| stream.write_all(&bytes).is_ok())
    }

    pub(crate) fn with(
        handler: impl Fn(&Recorded, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::channel();
        let handler: Arc<Handler> = Arc::new(handler);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (sender, handler) = (sender.clone(), handler.clone());
                thread::spawn(move || serve(stream, &sender, &*handler));
            }
        });
        Self {
            address,
            requests: Mutex::new(requests),
        }
    }

    /// The next request that reached the app, which must come.
    pub(crate) fn next(&self) -> Recorded {
        let requests = self.requests.lock().unwrap();
        requests
            .recv_timeout(Duration::from_secs(60))
            .expect("no request reached the app")
    }

    /// Everything that reached the app and was not asked for yet. Call it when the answers are there.
    pub(crate) fn seen(&self) -> Vec<Recorded> {
        self.requests.lock().unwrap().try_iter().collect()
    }
}

fn serve(mut stream: TcpStream, sender: &Sender<Recorded>, handler: &Handler) {
    let mut buffer = Vec::new();
    let connection = stream.peer_addr().map_or(0, |peer| peer.port());
    while let Some(mut request) = read_request(&mut stream, &mut buffer) {
        request.connection = connection;
        let _ = sender.send(request.clone());
        if !handler(&request, &mut stream) {
            return;
        }
    }
}

pub(super) fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Recorded> {
    let (mut request, head) = loop {
        if let Some(parsed) = parse_head(buffer) {
            break parsed;
        }
        fill(stream, buffer)?;
    };
    let mut raw: Vec<u8> = buffer.drain(..head).collect();
    let is_chunked = request
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    if is_chunked {
        read_chunked(stream, buffer, &mut request.body, &mut raw)?;
    } else if let Some(length) = request.header("content-length") {
        let length = length.parse().ok()?;
        request.body = take(stream, buffer, length)?;
        raw.extend_from_slice(&request.body);
    }
    request.raw = raw;
    Some(request)
}

fn parse_head(bytes: &[u8]) -> Option<(Recorded, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 512];
    let mut parser = httparse::Request::new(&mut headers);
    // What does not parse shows as bytes that no request takes: the test then finds the app without an answer.
    let httparse::Status::Complete(length) = parser.parse(bytes).ok()? else {
        return None;
    };
    let headers = parser.headers.iter().map(|header| {
        let value = String::from_utf8_lossy(header.value).into_owned();
        (header.name.to_owned(), value)
    });
    let request = Recorded {
        method: parser.method?.to_owned(),
        target: parser.path?.to_owned(),
        headers: headers.collect(),
        body: Vec::new(),
        raw: Vec::new(),
        connection: 0,
    };
    Some((request, length))
}

fn read_chunked(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    body: &mut Vec<u8>,
    raw: &mut Vec<u8>,
) -> Option<()> {
    loop {
        let (start, size) = loop {
            match httparse::parse_chunk_size(buffer).ok()? {
                httparse::Status::Complete(chunk) => break chunk,
                httparse::Status::Partial => fill(stream, buffer)?,
            }
        };
        raw.extend(buffer.drain(..start));
        let chunk = take(stream, buffer, usize::try_from(size).ok()?)?;
        raw.extend_from_slice(&chunk);
        body.extend(chunk);
        raw.extend(take(stream, buffer, 2)?);
        if size == 0 {
            return Some(());
        }
    }
}

fn take(stream: &mut TcpStream, buffer: &mut Vec<u8>, length: usize) -> Option<Vec<u8>> {
    while buffer.len() < length {
        fill(stream, buffer)?;
    }
    let rest = buffer.split_off(length);
    Some(std::mem::replace(buffer, rest))
}

fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut bytes = [0; 16 * 1024];
    let read = stream.read(&mut bytes).ok().filter(|read| *read > 0)?;
    buffer.extend_from_slice(&bytes[..read]);
    Some(())
}
