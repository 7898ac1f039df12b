//! How long a client may take for the header of a request.
//!
//! The framework bounds the time between two reads and not their sum: a client that sends a byte now and then would hold
//! its connection for ever (pingora issue 447). Here a header must be whole within a limit, from its first byte to its
//! empty line. What comes after it, a body or a tunnel, is not looked at.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// Watches what is read from a connection of HTTP/1.
#[derive(Debug)]
pub(super) struct HeaderTime {
    limit: Duration,
    /// The last request is over and another one may come.
    is_due: AtomicBool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Nothing of it was read.
    Before,
    Within {
        end: Pin<Box<Sleep>>,
        lines: Lines,
    },
    /// It was read.
    Beyond,
}

/// How far the lines of a header have been followed.
#[derive(Clone, Copy, Debug, Default)]
struct Lines {
    /// Empty lines before the first one do not count (RFC 9112 section 2.2).
    has_begun: bool,
    is_empty: bool,
}

impl HeaderTime {
    /// For a connection whose first request is still to come.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            is_due: AtomicBool::new(false),
            stage: Stage::Before,
        }
    }

    /// What is read next begins a request.
    pub(super) fn expect(&self) {
        self.is_due.store(true, Ordering::Relaxed);
    }

    /// Whether the time is over; if not, the task is woken when it will be.
    pub(super) fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        if std::mem::take(self.is_due.get_mut()) {
            self.stage = Stage::Before;
        }
        match &mut self.stage {
            Stage::Within { end, .. } => end.as_mut().poll(cx).is_ready(),
            Stage::Before | Stage::Beyond => false,
        }
    }

    /// Follows what was read.
    pub(super) fn note(&mut self, bytes: &[u8]) {
        match &mut self.stage {
            Stage::Before if !bytes.is_empty() => {
                let mut lines = Lines::default();
                self.stage = match lines.end_in(bytes) {
                    true => Stage::Beyond,
                    false => Stage::Within {
                        end: Box::pin(sleep(self.limit)),
                        lines,
                    },
                };
            }
            Stage::Within { lines, .. } => {
                if lines.end_in(bytes) {
                    self.stage = Stage::Beyond;
                }
            }
            Stage::Before | Stage::Beyond => {}
        }
    }
}

impl Lines {
    /// Whether the empty line is among these bytes. The parser takes a bare line feed for a line's end as well.
    fn end_in(&mut self, bytes: &[u8]) -> bool {
        // A request without a body, read at once.
        if bytes.ends_with(b"\r\n\r\n") && !matches!(bytes.first(), Some(b'\r' | b'\n')) {
            return true;
        }
        for byte in bytes {
            match byte {
                b'\r' => {}
                b'\n' if self.has_begun && self.is_empty => return true,
                b'\n' => self.is_empty = true,
                _ => {
                    self.has_begun = true;
                    self.is_empty = false;
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use tokio::time::advance;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    async fn is_over(time: &mut HeaderTime) -> bool {
        poll_fn(|cx| Poll::Ready(time.is_over(cx))).await
    }

    #[test]
    fn a_header_ends_with_its_empty_line_however_it_is_cut() {
        for (case, text, ends) in [
            ("whole", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
            ("with a body", "POST / HTTP/1.1\r\nA: b\r\n\r\nbody", true),
            ("line feeds", "GET / HTTP/1.1\nHost: a\n\n", true),
            ("after empty lines", "\r\n\r\nGET / HTTP/1.1\r\n\r\n", true),
            ("empty lines alone", "\r\n\r\n\r\n\r\n", false),
            ("a line is missing", "GET / HTTP/1.1\r\nHost: a\r\n", false),
            ("half a line", "GET / HTTP/1.1\r\nHost: a\r\n\r", false),
        ] {
            let bytes = text.as_bytes();
            for size in 1..=bytes.len() {
                let mut lines = Lines::default();
                let found = bytes.chunks(size).any(|part| lines.end_in(part));
                assert_eq!(found, ends, "{case} in parts of {size}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_counts_from_the_first_byte_and_no_byte_puts_it_off() {
        let mut time = HeaderTime::new(LIMIT);
        advance(LIMIT * 2).await;
        assert!(!is_over(&mut time).await, "nothing has begun");
        for byte in b"GET / HTT" {
            time.note(&[*byte]);
            assert!(!is_over(&mut time).await);
            advance(Duration::from_secs(1)).await;
        }
        time.note(b"P");
        assert!(!is_over(&mut time).await);
        advance(Duration::from_secs(2)).await;
        assert!(is_over(&mut time).await);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_header_nothing_is_limited_until_the_next_one_begins() {
        let mut time = HeaderTime::new(LIMIT);
        for _ in 0..2 {
            time.note(b"POST / HTTP/1.1\r\n");
            time.note(b"A: b\r\n\r\nhalf");
            advance(LIMIT * 2).await;
            time.note(b"GET / HTTP/1.1\r\n");
            advance(LIMIT * 2).await;
            assert!(!is_over(&mut time).await, "a body");
            time.expect();
            advance(LIMIT * 2).await;
            assert!(!is_over(&mut time).await, "idle");
        }
        time.note(b"G");
        advance(LIMIT * 2).await;
        assert!(is_over(&mut time).await);
    }
}
