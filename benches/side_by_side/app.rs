//! The app behind the proxies: answers every request with 1 KB of JSON, and says whether an identity came with it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The name of the answer's header that tells the UserID that the app was given, or `-`.
pub(crate) const SEEN: &str = "x-seen";

/// Answers at `address` until the process is ended.
pub(crate) fn run(address: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(answer(stream));
        }
    });
}

async fn answer(mut stream: TcpStream) {
    let mut buffer = Vec::with_capacity(16 << 10);
    while matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
        // No request of the bench has a body, and none is sent before the one before it is answered.
        if !buffer.ends_with(b"\r\n\r\n") {
            continue;
        }
        let has = |name: &str| find(&buffer, &format!("\r\n{name}: ")).is_some();
        let complete = has("x-chat-usersig") && has("x-chat-sdkappid");
        let user = find(&buffer, "\r\nx-chat-userid: ").filter(|_| complete);
        let seen = user.and_then(|at| buffer[at..].split(|byte| *byte == b'\r').next());
        let seen = String::from_utf8_lossy(seen.unwrap_or(b"-")).into_owned();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {BODY_BYTES}\r\n{SEEN}: {seen}\r\n\r\n"
        );
        let mut answer = head.into_bytes();
        answer.extend_from_slice(body().as_bytes());
        buffer.clear();
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// Where the value of a header begins. Names come as Pingora writes them, which is compared without case.
fn find(request: &[u8], line_start: &str) -> Option<usize> {
    let needle = line_start.as_bytes();
    let at = request
        .windows(needle.len())
        .position(|window| window.eq_ignore_ascii_case(needle))?;
    Some(at + needle.len())
}

fn body() -> &'static str {
    static BODY: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        let frame = r#"{"items":""}"#.len();
        format!(r#"{{"items":"{}"}}"#, "x".repeat(BODY_BYTES - frame))
    });
    &BODY
}

pub(crate) const BODY_BYTES: usize = 1024;
