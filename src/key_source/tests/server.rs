//! A key server on loopback, written on the socket, that can be told to misbehave.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

#[derive(Clone)]
pub(crate) enum Answer {
    /// These bytes, then the end of the connection.
    Raw(Vec<u8>),
    /// These bytes, and the connection is open for another request.
    Kept(Vec<u8>),
    /// The connection stays open and nothing comes.
    Hang,
    /// A head, then one byte of the body in each period, for ever.
    Drip(Duration),
    /// A head, then body as fast as it is taken, for ever; `chunked` or until close.
    Endless { chunked: bool },
    /// The connection ends without an answer.
    Close,
}

impl Answer {
    pub(crate) fn full(status: u16, headers: &[&str], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut text = format!(
            "HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n",
            body.len()
        );
        for header in headers {
            text.push_str(header);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        Self::Raw([text.as_bytes(), body].concat())
    }

    pub(crate) fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::full(200, &["Content-Type: text/plain"], body)
    }
}

pub(crate) struct KeyServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<HashMap<String, Answer>>,
    requests: Mutex<Vec<String>>,
    connections: AtomicUsize,
}

impl KeyServer {
    pub(crate) async fn start(answer: Answer) -> Self {
        Self::accept(answer, None).await
    }

    pub(crate) async fn start_tls(answer: Answer, config: rustls::ServerConfig) -> Self {
        Self::accept(answer, Some(Arc::new(config).into())).await
    }

    async fn accept(answer: Answer, tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        shared.answers.lock().insert(KEYS.to_owned(), answer);
        let here = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                here.connections.fetch_add(1, Ordering::SeqCst);
                let (here, tls) = (Arc::clone(&here), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => here.serve(stream).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => here.serve(stream).await,
                            Err(_) => Some(()),
                        },
                    }
                });
            }
        });
        Self {
            address,
            shared,
            task,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}{KEYS}", self.address)
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn answer(&self, answer: Answer) {
        self.answer_at(KEYS, answer);
    }

    pub(crate) fn answer_at(&self, path: &str, answer: Answer) {
        self.shared.answers.lock().insert(path.to_owned(), answer);
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The request heads so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().clone()
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
        while self.answer_one(&mut stream).await? {}
        Some(())
    }

    /// Whether the connection is open for more.
    async fn answer_one(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<bool> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        self.requests.lock().push(head);
        let answer = self.answers.lock().get(&path).cloned();
        match answer.unwrap_or_else(|| Answer::full(404, &[], "")) {
            Answer::Kept(bytes) => {
                stream.write_all(&bytes).await.ok()?;
                return Some(true);
            }
            Answer::Raw(bytes) => stream.write_all(&bytes).await.ok()?,
            Answer::Hang => std::future::pending().await,
            Answer::Close => return None,
            Answer::Drip(period) => drip(stream, period).await?,
            Answer::Endless { chunked } => pour(stream, chunked).await?,
        }
        Some(false)
    }
}

async fn drip(mut stream: impl AsyncWrite + Unpin, period: Duration) -> Option<()> {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n{";
    stream.write_all(head).await.ok()?;
    let mut tick = tokio::time::interval(period);
    loop {
        tick.tick().await;
        stream.write_all(b" ").await.ok()?;
    }
}

async fn pour(mut stream: impl AsyncWrite + Unpin, chunked: bool) -> Option<()> {
    let framing = if chunked {
        "Transfer-Encoding: chunked"
    } else {
        "Connection: close"
    };
    let head = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    let piece = [b' '; 4096];
    loop {
        if chunked {
            stream.write_all(b"1000\r\n").await.ok()?;
        }
        stream.write_all(&piece).await.ok()?;
        if chunked {
            stream.write_all(b"\r\n").await.ok()?;
        }
    }
}

const KEYS: &str = "/keys";
