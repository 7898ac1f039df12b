//! A client that sends exactly the bytes it is given and reads answers with a parser of its own (`httparse`).

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// An HTTP/1 answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) reason: String,
    /// Names in lower case, in the order of the wire.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(sent, _)| sent == name);
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} is repeated: {self:?}");
        first
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The `code` of a refusal.
    pub(crate) fn code(&self) -> String {
        let code = self.json()["code"].as_str().map(str::to_owned);
        code.unwrap_or_else(|| panic!("no refusal: {self:?}"))
    }
}

/// How a connection ended in the place of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Before its first byte.
    Closed,
    /// Before its last one.
    Cut,
}

/// What bytes go both ways through.
trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}

/// One connection, on which several requests may follow each other.
pub(crate) struct Connection {
    stream: Box<dyn ReadWrite + Send>,
    /// Bytes that were read beyond the last answer.
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        // Not a limit on speed: it turns a hang into a failure.
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    /// The same through a Unix socket, as soon as somebody listens there: that of a proxy may come after its TCP
    /// listener, which is what a start waits for.
    pub(crate) fn open_unix(path: &Path) -> Self {
        let started = Instant::now();
        let stream = loop {
            match UnixStream::connect(path) {
                Ok(stream) => break stream,
                Err(error) => assert!(started.elapsed() < HANG, "{error}"),
            }
            thread::yield_now();
        };
        stream.set_read_timeout(Some(HANG)).unwrap();
        Self::over(stream)
    }

    /// On a stream that stands.
    pub(crate) fn over(stream: impl Read + Write + Send + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            buffer: Vec::new(),
        }
    }

    /// Writes bytes; a peer that has closed already is no error, because its answer may still be read.
    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
        let _ = self.stream.flush();
    }

    /// Sends a request and reads its answer.
    pub(crate) fn request(&mut self, bytes: impl AsRef<[u8]>) -> Response {
        let is_head = bytes.as_ref().starts_with(b"HEAD ");
        self.write(bytes);
        self.read_response(is_head)
            .expect("the connection closed without an answer")
    }

    /// The same where so many follow each other that an answer may be the last one of its connection: the next request then has
    /// a new one.
    pub(crate) fn request_of_many(
        &mut self,
        address: SocketAddr,
        bytes: impl AsRef<[u8]>,
    ) -> Response {
        let response = self.request(bytes);
        if response.header("connection") == Some("close") {
            *self = Self::open(address);
        }
        response
    }

    /// The next answer, informational ones included; `None` when the connection closes first.
    pub(crate) fn read_response(&mut self, is_head: bool) -> Option<Response> {
        let mut response = self.read_head()?;
        let no_body = is_head || response.status < 200 || matches!(response.status, 204 | 304);
        if !no_body {
            let body = self.read_body(&response);
            response.body = body.unwrap_or_else(|| panic!("cut in a body: {response:?}"));
        }
        Some(response)
    }

    /// Sends a request that has an answer with a body, and reads it, whatever becomes of the connection.
    pub(crate) fn exchange(&mut self, bytes: impl AsRef<[u8]>) -> Result<Response, Broken> {
        self.write(bytes);
        let Some(mut response) = self.read_head() else {
            return Err(match self.buffer.is_empty() {
                true => Broken::Closed,
                false => Broken::Cut,
            });
        };
        response.body = self.read_body(&response).ok_or(Broken::Cut)?;
        Ok(response)
    }

    fn read_head(&mut self) -> Option<Response> {
        let (response, length) = loop {
            if let Some(parsed) = parse_head(&self.buffer) {
                break parsed;
            }
            if self.fill() == 0 {
                return None;
            }
        };
        self.buffer.drain(..length);
        Some(response)
    }

    /// Exactly `length` bytes of a tunnel.
    pub(crate) fn read_bytes(&mut self, length: usize) -> Vec<u8> {
        let bytes = self.try_read_bytes(length);
        bytes.unwrap_or_else(|| panic!("closed after {} bytes", self.buffer.len()))
    }

    /// Exactly `length` bytes; `None` when the connection closes first.
    pub(crate) fn try_read_bytes(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            if self.fill() == 0 {
                return None;
            }
        }
        let rest = self.buffer.split_off(length);
        Some(std::mem::replace(&mut self.buffer, rest))
    }

    /// Whether the peer closes without sending anything more.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && self.fill() == 0
    }

    /// `None` when the connection closes first.
    fn read_body(&mut self, response: &Response) -> Option<Vec<u8>> {
        if response.header("transfer-encoding") == Some("chunked") {
            return self.read_chunked();
        }
        match response.header("content-length") {
            Some(length) => self.try_read_bytes(length.parse().unwrap()),
            None => {
                while self.fill() != 0 {}
                Some(std::mem::take(&mut self.buffer))
            }
        }
    }

    fn read_chunked(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let (start, size) = loop {
                match httparse::parse_chunk_size(&self.buffer).unwrap() {
                    httparse::Status::Complete(chunk) => break chunk,
                    httparse::Status::Partial if self.fill() == 0 => return None,
                    httparse::Status::Partial => {}
                }
            };
            self.buffer.drain(..start);
            body.extend(self.try_read_bytes(usize::try_from(size).unwrap())?);
            assert_eq!(self.try_read_bytes(2)?, b"\r\n");
            if size == 0 {
                return Some(body);
            }
        }
    }

    fn fill(&mut self) -> usize {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(read) => {
                self.buffer.extend_from_slice(&bytes[..read]);
                read
            }
            Err(error) if CLOSED.contains(&error.kind()) => 0,
            Err(error) => panic!("the peer neither answers nor closes: {error}"),
        }
    }
}

/// Sends bytes on a connection of their own and reads the answer.
pub(crate) fn send(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Response {
    Connection::open(address).request(bytes)
}

/// A plain GET with further header lines, each ended by CRLF.
pub(crate) fn get(address: SocketAddr, path: &str, header_lines: &str) -> Response {
    send(
        address,
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{header_lines}\r\n"),
    )
}

fn parse_head(bytes: &[u8]) -> Option<(Response, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut parser = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = parser.parse(bytes).unwrap() else {
        return None;
    };
    let headers = parser.headers.iter().map(|header| {
        let value = String::from_utf8_lossy(header.value).into_owned();
        (header.name.to_ascii_lowercase(), value)
    });
    let response = Response {
        status: parser.code.unwrap(),
        reason: parser.reason.unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: Vec::new(),
    };
    Some((response, length))
}

/// Tells clients on other threads to end, also when the test fails in between.
pub(crate) struct Done<'a>(pub(crate) &'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Also how TLS ends where the peer does not say goodbye.
const CLOSED: [ErrorKind; 3] = [
    ErrorKind::ConnectionReset,
    ErrorKind::BrokenPipe,
    ErrorKind::UnexpectedEof,
];
pub(crate) const HANG: Duration = Duration::from_secs(60);
