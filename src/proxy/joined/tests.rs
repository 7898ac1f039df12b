use std::sync::Mutex;

use bytes::{Buf, Bytes};
use tokio::io::AsyncWriteExt;

use super::*;

/// A connection that takes at most `room` bytes a write and notes what each write took.
#[derive(Debug)]
struct Wire {
    room: usize,
    writes: Arc<Mutex<Vec<Vec<u8>>>>,
    is_blocked: bool,
}

impl Wire {
    fn take(&mut self, parts: &[&[u8]]) -> Poll<io::Result<usize>> {
        if std::mem::replace(&mut self.is_blocked, false) {
            return Poll::Pending;
        }
        let bytes = parts.concat();
        let taken = bytes.get(..self.room).unwrap_or(&bytes).to_vec();
        let length = taken.len();
        self.writes.lock().unwrap().push(taken);
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.take(&[bytes])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let parts: Vec<&[u8]> = parts.iter().map(|part| &**part).collect();
        self.take(&parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl Shutdown for Wire {
    async fn shutdown(&mut self) {}
}

impl UniqueID for Wire {
    fn id(&self) -> UniqueIDType {
        0
    }
}

impl Ssl for Wire {}
impl Peek for Wire {}

impl GetTimingDigest for Wire {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Wire {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Wire {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

const PATIENCE: Duration = Duration::from_secs(60);

type Writes = Arc<Mutex<Vec<Vec<u8>>>>;

fn joined(room: usize) -> (Stream, Writes) {
    let writes = Writes::default();
    let wire = Wire {
        room,
        writes: writes.clone(),
        is_blocked: false,
    };
    (Joined::over(Box::new(wire), PATIENCE), writes)
}

fn lengths(writes: &Writes) -> Vec<usize> {
    writes.lock().unwrap().iter().map(Vec::len).collect()
}

#[tokio::test]
async fn a_header_goes_out_with_the_body_that_does_not_fit_beside_it() {
    let (mut stream, writes) = joined(usize::MAX);
    stream.write_all(&[b'h'; 487]).await.unwrap();
    assert!(lengths(&writes).is_empty());
    stream.write_all(&[b'b'; 1024]).await.unwrap();
    assert_eq!(lengths(&writes), [1511]);
    stream.flush().await.unwrap();
    assert_eq!(lengths(&writes), [1511]);
}

#[tokio::test]
async fn a_chunk_goes_out_whole_with_the_header_before_it() {
    for size in [1024, 4096] {
        let (mut stream, writes) = joined(usize::MAX);
        stream.write_all(&[b'h'; 487]).await.unwrap();
        stream.write_all_buf(&mut chunk(size)).await.unwrap();
        assert_eq!(lengths(&writes), [487 + 6 + size + 2]);
        stream.flush().await.unwrap();
        assert_eq!(lengths(&writes).len(), 1);
    }
}

#[tokio::test]
async fn a_small_chunk_waits_for_the_flush() {
    let (mut stream, writes) = joined(usize::MAX);
    stream.write_all_buf(&mut chunk(100)).await.unwrap();
    assert!(lengths(&writes).is_empty());
    stream.flush().await.unwrap();
    assert_eq!(lengths(&writes), [108]);
}

#[tokio::test]
async fn a_chunk_keeps_its_order_when_little_is_taken_at_a_time() {
    for room in [1, 3, 600, 1490] {
        let (mut stream, writes) = joined(room);
        stream.write_all(&[b'h'; 487]).await.unwrap();
        stream.write_all_buf(&mut chunk(1024)).await.unwrap();
        stream.flush().await.unwrap();
        let mut expected = vec![b'h'; 487];
        let mut sent = chunk(1024);
        expected.extend_from_slice(&sent.copy_to_bytes(sent.remaining()));
        assert!(*writes.lock().unwrap().concat() == expected, "{room}");
    }
}

#[tokio::test]
async fn a_header_that_waits_goes_out_with_the_first_chunk() {
    for waits in [true, false] {
        let (mut stream, writes) = joined(usize::MAX);
        let_header_wait(&stream, waits);
        stream.write_all(&[b'h'; 487]).await.unwrap();
        stream.flush().await.unwrap();
        stream.write_all_buf(&mut chunk(100)).await.unwrap();
        stream.flush().await.unwrap();
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        stream.flush().await.unwrap();
        match waits {
            true => assert_eq!(lengths(&writes), [487 + 108, 5]),
            false => assert_eq!(lengths(&writes), [487, 108, 5]),
        }
        // The next answer is one like any other.
        stream.write_all(&[b'h'; 100]).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(lengths(&writes).last(), Some(&100));
    }
}

#[tokio::test]
async fn a_header_that_waits_goes_out_with_the_end_of_the_connection() {
    let (mut stream, writes) = joined(usize::MAX);
    let_header_wait(&stream, true);
    stream.write_all(&[b'h'; 487]).await.unwrap();
    stream.flush().await.unwrap();
    assert!(lengths(&writes).is_empty());
    Shutdown::shutdown(&mut *stream).await;
    assert_eq!(lengths(&writes), [487]);
}

#[tokio::test]
async fn what_was_to_wait_and_was_not_written_holds_nothing_of_the_next_request_back() {
    let (mut stream, writes) = joined(usize::MAX);
    let_header_wait(&stream, true);
    Joined::expect_request(&stream);
    stream.write_all(&[b'h'; 100]).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(lengths(&writes), [100]);
}

fn let_header_wait(stream: &Stream, waits: bool) {
    let joined = stream.as_any().downcast_ref::<Joined>().unwrap();
    joined.header_waits.store(waits, Ordering::Relaxed);
}

/// A chunk as the framework writes it, in three parts.
fn chunk(size: usize) -> impl Buf {
    let length = Bytes::from(format!("{size:04X}\r\n"));
    let bytes = Bytes::from(vec![b'b'; size]);
    length.chain(bytes).chain(&b"\r\n"[..])
}

#[tokio::test]
async fn what_fits_waits_for_the_flush_and_what_is_long_for_nothing() {
    let (mut stream, writes) = joined(usize::MAX);
    stream.write_all(&[b'h'; 100]).await.unwrap();
    stream.write_all(&[b'b'; 1024]).await.unwrap();
    assert!(lengths(&writes).is_empty());
    stream.flush().await.unwrap();
    assert_eq!(lengths(&writes), [1124]);
    stream.write_all(&[b'c'; MAX_HELD]).await.unwrap();
    assert_eq!(lengths(&writes), [1124, MAX_HELD]);
    stream.write_all(b"last").await.unwrap();
    AsyncWriteExt::shutdown(&mut stream).await.unwrap();
    assert_eq!(lengths(&writes), [1124, MAX_HELD, 4]);
    stream.write_all(b"end").await.unwrap();
    Shutdown::shutdown(&mut *stream).await;
    assert_eq!(lengths(&writes), [1124, MAX_HELD, 4, 3]);
}

#[tokio::test]
async fn no_byte_is_lost_or_doubled_however_little_a_write_takes() {
    for room in [1, 2, 7, 486, 487, 488, 1460, 4000] {
        let (mut stream, writes) = joined(room);
        let text: Vec<u8> = (0..5000_u32).map(|index| (index % 251) as u8).collect();
        for (start, end) in [(0, 487), (487, 1511), (1511, 1512), (1512, 5000)] {
            stream.write_all(&text[start..end]).await.unwrap();
        }
        stream.flush().await.unwrap();
        assert_eq!(writes.lock().unwrap().concat(), text, "{room}");
    }
}

/// A connection that holds a header and has to wait with its first write.
fn blocked() -> (Joined, Writes) {
    let writes = Writes::default();
    let wire = Wire {
        room: usize::MAX,
        writes: writes.clone(),
        is_blocked: true,
    };
    let joined = Joined {
        inner: Box::new(wire),
        held: b"head".to_vec(),
        header_waits: AtomicBool::new(false),
        header_time: HeaderTime::new(PATIENCE),
    };
    (joined, writes)
}

#[tokio::test]
async fn a_write_that_has_to_wait_takes_nothing_and_is_done_again() {
    let (mut joined, writes) = blocked();
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let body = [b'b'; MAX_HELD];
    let blocked = Pin::new(&mut joined).poll_write(&mut cx, &body);
    assert!(blocked.is_pending() && joined.held == b"head");
    let written = Pin::new(&mut joined).poll_write(&mut cx, &body);
    assert!(matches!(written, Poll::Ready(Ok(MAX_HELD))), "{written:?}");
    assert_eq!(lengths(&writes), [4 + MAX_HELD]);
}

#[tokio::test]
async fn a_connection_that_takes_nothing_more_is_an_error() {
    let (mut stream, _) = joined(0);
    stream.write_all(b"head").await.unwrap();
    let error = stream.flush().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WriteZero);
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_client_that_takes_nothing() {
    let (mut joined, writes) = blocked();
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let end = std::pin::pin!(Shutdown::shutdown(&mut joined));
    assert!(end.poll(&mut cx).is_ready());
    assert!(lengths(&writes).is_empty());
}
