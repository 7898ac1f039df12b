//! The app behind the proxies, and in the same place a stand-in of Chat's REST API: JSON of 1 KB that says whom it was
//! told about.
//!
//! `bytes=N` in the target or the body asks for an answer of so many bytes, `hold=N` for one whose last byte never comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::tokens::subject;

/// The name of the answer's header that tells the UserID that the app was given, or `-`.
pub(crate) const SEEN: &str = "x-seen";
/// The size of an answer that was not asked for in another.
pub(crate) const BODY_BYTES: usize = 1024;

/// Answers at `address` until the process is ended. A login gets one of the tokens in the file `tokens`, which are of the
/// users from 0 on.
pub(crate) fn run(address: &str, tokens: &str) {
    let tokens = std::fs::read_to_string(tokens).unwrap();
    let logins = Arc::new(Logins {
        tokens: tokens.lines().map(str::to_owned).collect(),
        next: AtomicUsize::new(0),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(serve(stream, Arc::clone(&logins)));
        }
    });
}

/// Who logs in, in turn.
struct Logins {
    tokens: Vec<String>,
    next: AtomicUsize,
}

async fn serve(mut stream: TcpStream, logins: Arc<Logins>) {
    let mut buffer = Vec::with_capacity(16 << 10);
    while matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
        // Nobody sends a request before the one before it is answered.
        let Some(request) = Request::read(&buffer) else {
            continue;
        };
        let (answer, is_held) = request.answer(&logins);
        buffer.clear();
        if stream.write_all(&answer).await.is_err() {
            return;
        }
        if is_held {
            // Until the other side goes away.
            while matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {}
            return;
        }
    }
}

/// A request that came as a whole.
struct Request<'b> {
    target: &'b str,
    /// What the proxies inject.
    identity: [Option<&'b str>; 3],
    body: &'b str,
}

impl<'b> Request<'b> {
    fn read(buffer: &'b [u8]) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(head) = parsed.parse(buffer).unwrap() else {
            return None;
        };
        let header = |name: &str| {
            let mut headers = parsed.headers.iter();
            let found = headers.find(|header| header.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(found.value).ok()
        };
        assert!(
            header("transfer-encoding").is_none(),
            "bodies have a length"
        );
        let length = header("content-length").map_or(0, |length| length.parse().unwrap());
        let body = buffer.get(head..head + length)?;
        Some(Self {
            target: parsed.path.unwrap(),
            identity: ["x-chat-userid", "x-chat-usersig", "x-chat-sdkappid"].map(header),
            body: std::str::from_utf8(body).unwrap(),
        })
    }

    /// The answer, and whether its last byte is still to come.
    fn answer(&self, logins: &Logins) -> (Vec<u8>, bool) {
        let held = self.number("hold=");
        let bytes = held.or(self.number("bytes=")).unwrap_or(BODY_BYTES);
        let (seen, fields) = if self.target.starts_with("/login") {
            let number = logins.next.fetch_add(1, Ordering::Relaxed) % logins.tokens.len();
            let (token, user) = (&logins.tokens[number], subject(number as u64));
            let fields = format!(r#""access_token":"{token}","user":"{user}""#);
            ("-", fields)
        } else if self.target.contains("/openim/sendmsg") {
            let from = self.acting_account().unwrap_or("-");
            let fields = format!(
                r#""ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"From_Account":"{from}""#
            );
            (from, fields)
        } else {
            let complete = self.identity.iter().all(Option::is_some);
            let seen = self.identity[0].filter(|_| complete).unwrap_or("-");
            (seen, r#""page":2"#.to_owned())
        };
        let frame = r#"{,"more":""}"#.len() + fields.len();
        let padding = filler(bytes.saturating_sub(frame));
        let body = format!(r#"{{{fields},"more":"{padding}"}}"#);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{SEEN}: {seen}\r\n\r\n",
            body.len()
        );
        let mut answer = head.into_bytes();
        answer.extend_from_slice(body.as_bytes());
        if held.is_some() {
            answer.pop();
        }
        (answer, held.is_some())
    }

    /// In whose name a call is made that an administrator signed.
    fn acting_account(&self) -> Option<&str> {
        let signed = self.target.contains("usersig=") && self.target.contains("identifier=");
        let (_, rest) = self.body.split_once(r#""From_Account":""#)?;
        let (account, _) = rest.split_once('"')?;
        signed.then_some(account)
    }

    fn number(&self, label: &str) -> Option<usize> {
        let body = self.body.get(..MARK_BYTES).unwrap_or(self.body);
        let (_, rest) = [self.target, body]
            .iter()
            .find_map(|text| text.split_once(label))?;
        let end = rest.find(|letter: char| !letter.is_ascii_digit());
        rest[..end.unwrap_or(rest.len())].parse().ok()
    }
}

/// Something to read, of so many bytes.
pub(crate) fn filler(bytes: usize) -> String {
    let mut text = WORDS.repeat(bytes / WORDS.len() + 1);
    text.truncate(bytes);
    text
}

const WORDS: &str = "the quick brown fox jumps over 13 lazy dogs, ";
/// How far into a body a mark is looked for.
const MARK_BYTES: usize = 256;
