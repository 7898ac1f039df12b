//! A client of HTTP/2 that sends exactly the frames it is given, well-formed or not.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use super::client::HANG;

/// A frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// What became of a request or of a flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The status of its answer.
    Answered(u16),
    /// Only its stream was ended, with this code.
    Reset(u32),
    /// The whole connection was ended, with this code.
    GoneAway(u32),
    /// The connection was cut without a word.
    Cut,
    /// A flood was taken, and the connection goes on.
    Taken,
}

impl End {
    /// Whether a request was ended without an answer.
    pub(crate) fn is_refusal(self) -> bool {
        matches!(self, Self::Reset(_) | Self::GoneAway(_) | Self::Cut)
    }

    /// Whether the peer has ended the connection.
    pub(crate) fn is_of_connection(self) -> bool {
        matches!(self, Self::GoneAway(_) | Self::Cut)
    }
}

/// Sends the frames of one request on a connection of its own; `fields` are those of its header.
pub(crate) fn request(address: SocketAddr, fields: &[(&str, &str)], body: &[Vec<u8>]) -> End {
    let end_stream = if body.is_empty() { END_STREAM } else { 0 };
    let head = frame(HEADERS, END_HEADERS | end_stream, 1, &block(fields));
    exchange(address, &[&[head], body].concat())
}

/// Sends these frames on a connection of their own and waits for what becomes of stream 1.
pub(crate) fn exchange(address: SocketAddr, frames: &[Vec<u8>]) -> End {
    Talk::begin(address, frames).next()
}

/// A connection on which stream 1 is followed.
pub(crate) struct Talk(Reader);

impl Talk {
    /// Opens it and sends these frames.
    pub(crate) fn begin(address: SocketAddr, frames: &[Vec<u8>]) -> Self {
        let mut talk = Self(Reader::new(open(address)));
        talk.send(&frames.concat());
        talk
    }

    /// Sends more, if it is still read.
    pub(crate) fn send(&mut self, frames: &[u8]) {
        let _ = self.0.stream.write_all(frames);
    }

    /// What becomes of the stream next; or the answer to a PING of [`LAST`].
    pub(crate) fn next(&mut self) -> End {
        loop {
            let Some(frame) = self.0.next() else {
                return End::Cut;
            };
            match (frame.kind, frame.stream) {
                (HEADERS, 1) => return End::Answered(status(&frame.payload)),
                (RST_STREAM, 1) => return End::Reset(number(&frame.payload)),
                (GOAWAY, _) => return End::GoneAway(number(&frame.payload[4..])),
                (PING, _) if frame.payload == LAST => return End::Taken,
                _ => {}
            }
        }
    }
}

/// Sends all of these frames unless the peer ends the connection first, and reads what it sends meanwhile. What it takes
/// is followed by a PING, whose answer says that it was read to its end.
pub(crate) fn flood(address: SocketAddr, frames: impl IntoIterator<Item = Vec<u8>>) -> End {
    let mut stream = open(address);
    let mut reader = Reader::new(stream.try_clone().unwrap());
    let reading = thread::spawn(move || {
        loop {
            match reader.next() {
                None => return End::Cut,
                Some(frame) if frame.kind == GOAWAY => {
                    return End::GoneAway(number(&frame.payload[4..]));
                }
                Some(frame) if frame.kind == PING && frame.payload == LAST => return End::Taken,
                Some(_) => {}
            }
        }
    });
    let mut frames = frames.into_iter().peekable();
    while frames.peek().is_some() {
        let some: Vec<_> = frames.by_ref().take(BATCH).collect();
        if stream.write_all(&some.concat()).is_err() {
            break;
        }
    }
    let _ = stream.write_all(&frame(PING, 0, 0, LAST));
    reading.join().unwrap()
}

/// A connection after the preface and empty settings.
fn open(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    // Not limits on speed: they turn a hang into a failure.
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream.set_write_timeout(Some(HANG)).unwrap();
    stream.set_nodelay(true).unwrap();
    let settings = frame(SETTINGS, 0, 0, b"");
    stream.write_all(&[PREFACE, &settings].concat()).unwrap();
    stream
}

/// The bytes of a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [head.as_slice(), payload].concat()
}

/// A header block whose fields are literals without indexing and without Huffman coding (RFC 7541 section 6.2.2).
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        text(&mut bytes, name.as_bytes());
        text(&mut bytes, value.as_bytes());
    }
    bytes
}

/// A field that is added to the dynamic table, where [`LATEST`] then finds it (section 6.2.1).
pub(crate) fn remembered(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0x40];
    text(&mut bytes, name.as_bytes());
    text(&mut bytes, value.as_bytes());
    bytes
}

fn text(bytes: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text.len();
    if rest < 127 {
        bytes.push(rest as u8);
    } else {
        bytes.push(127);
        rest -= 127;
        while rest >= 128 {
            bytes.push((rest % 128 + 128) as u8);
            rest /= 128;
        }
        bytes.push(rest as u8);
    }
    bytes.extend_from_slice(text);
}

struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Reader {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// The next frame; `None` when the connection ends first.
    fn next(&mut self) -> Option<Frame> {
        let head = self.take(9)?;
        let length = number(&[&[0], &head[..3]].concat());
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: number(&head[5..]),
            payload: self.take(length as usize)?,
        })
    }

    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = [0; 16 * 1024];
        while self.buffer.len() < length {
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(read) => self.buffer.extend_from_slice(&bytes[..read]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("the peer neither answers nor closes: {error}"),
            }
        }
        let rest = self.buffer.split_off(length);
        Some(std::mem::replace(&mut self.buffer, rest))
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(*bytes.first_chunk().unwrap())
}

/// The `:status` that an answer's header block begins with: one of the static table, or its number as a literal, in
/// which digits have Huffman codes of 5 or 6 bits (RFC 7541, appendices A and B).
fn status(block: &[u8]) -> u16 {
    const IN_TABLE: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    let first = block[0];
    if first & 0x80 != 0 {
        return IN_TABLE[usize::from(first & 0x7f) - 8];
    }
    let name = first & 0x3f;
    assert!((8..=14).contains(&name), "no status first: {block:?}");
    let length = usize::from(block[1] & 0x7f);
    let value = &block[2..2 + length];
    match block[1] & 0x80 {
        0 => std::str::from_utf8(value).unwrap().parse().unwrap(),
        _ => huffman_digits(value).parse().unwrap(),
    }
}

fn huffman_digits(bytes: &[u8]) -> String {
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let (mut digits, mut rest) = (String::new(), bits.as_str());
    while digits.len() < 3 {
        let number = |length: usize| u8::from_str_radix(&rest[..length], 2).unwrap();
        let (digit, length) = match number(5) {
            short @ 0..=2 => (short, 5),
            _ => (number(6) - 0b01_1001 + 3, 6),
        };
        digits.push(char::from(b'0' + digit));
        rest = &rest[length..];
    }
    digits
}

#[test]
fn a_status_is_read_in_each_of_its_forms() {
    for (block, expected) in [
        (&[0x88][..], 200),
        (&[0x8c], 400),
        (&[0x48, 3, b'4', b'3', b'1'], 431),
        (&[0x08, 3, b'4', b'0', b'1'], 401),
        // "302" and "307" as in RFC 7541 appendices C.6.1 and C.6.2.
        (&[0x48, 0x82, 0x64, 0x02], 302),
        (&[0x48, 0x83, 0x64, 0x0e, 0xff], 307),
    ] {
        assert_eq!(status(block), expected);
    }
}

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
/// An indexed field: the one that was remembered last.
pub(crate) const LATEST: u8 = 0x80 | 62;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const LAST: &[u8; 8] = b"the last";
const BATCH: usize = 64;
