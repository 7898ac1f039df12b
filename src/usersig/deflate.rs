//! A zlib encoder for one document only: that of a UserSig without userbuf, whose text is known but for its values.
//!
//! So its references are known too, and the Huffman codes are chosen beforehand. zlib's own would fit each document
//! better, but describing them costs more than that is worth. Where it may not, [`compress`] leaves the document to
//! zlib: when characters repeat themselves too much, or are none that a UserID has, or numbers are shorter than usual.
//!
//! ```text
//! 78 9C | head of the block: lengths of the codes | {"TLS.ver":"2.0","TLS.identifier":"             START
//! xiaojun" | reference to the last ,"TLS. | sdkappid":1400123456 | reference | … | end | Adler-32
//! ```

use std::sync::LazyLock;

use super::encode::Fields;

/// Room for any stream that is not left to zlib.
pub(super) const ROOM: usize = 192;

/// Writes the zlib stream of the document of `fields` and `signature` into `room`; `None` where zlib has to be asked.
pub(super) fn compress<'a>(
    fields: &Fields<'_>,
    signature: &str,
    room: &'a mut [u8; ROOM],
) -> Option<&'a [u8]> {
    let identifier = fields.identifier.as_bytes();
    let is_escaped = identifier.iter().any(|byte| matches!(byte, b'"' | b'\\'));
    if is_escaped || fields.userbuf.is_some() || !has_usual_numbers(fields) {
        return None;
    }
    let mut stream = Stream::start(room);
    stream.value(identifier, 2)?;
    stream.literals(b"\"")?;
    let mut distance = PREFIX.len() - FIRST_SEPARATOR + identifier.len() + 1;
    let numbers = [fields.sdk_app_id, fields.expire, fields.time];
    for (name, number) in NAMES.iter().zip(numbers) {
        stream.separator(distance)?;
        stream.literals(name)?;
        let digits = number.to_string();
        stream.value(digits.as_bytes(), 1)?;
        distance = SEPARATOR.len() + name.len() + digits.len();
    }
    stream.separator(distance)?;
    stream.literals(br#"sig":""#)?;
    stream.literals(signature.as_bytes())?;
    stream.literals(br#""}"#)?;
    stream.finish()
}

/// An SDKAppID of eight digits or ten, a moment after 2001, a life of less than three years.
fn has_usual_numbers(fields: &Fields<'_>) -> bool {
    fields.sdk_app_id >= 10_000_000 && fields.time >= 1_000_000_000 && fields.expire < 100_000_000
}

/// A zlib stream in the making, and what tells how long zlib's would be.
struct Stream<'a> {
    room: &'a mut [u8; ROOM],
    length: usize,
    /// What does not fill a byte yet.
    pending: Bits,
    /// Characters of the document so far.
    read: usize,
    /// The sums of Adler-32, to be reduced: no document that fits makes them overflow.
    sums: (u32, u32),
    /// How often each character was written by its own code.
    counts: [u8; 128],
    /// How often three characters of a value came again; in a name, whose letters have more bits, twice as much.
    repeats: usize,
    seen: Seen,
}

impl<'a> Stream<'a> {
    /// The stream up to the identifier.
    fn start(room: &'a mut [u8; ROOM]) -> Self {
        for (byte, known) in room.iter_mut().zip(START) {
            *byte = known;
        }
        let mut stream = Self {
            room,
            length: START.len(),
            pending: START_REST,
            read: 0,
            sums: (1, 0),
            counts: [0; 128],
            repeats: 0,
            seen: *KNOWN,
        };
        stream.sum(PREFIX);
        stream
    }

    /// Appends at most 56 bits.
    fn put(&mut self, bits: Bits) -> Option<()> {
        self.pending = self.pending.followed_by(bits);
        *self.room.get_mut(self.length..)?.first_chunk_mut()? = self.pending.bits.to_le_bytes();
        let whole_bytes = self.pending.count / 8;
        self.length += whole_bytes as usize;
        self.pending.bits >>= whole_bytes * 8;
        self.pending.count %= 8;
        Some(())
    }

    /// Appends each character by its own code; `None` when one has none.
    fn literals(&mut self, text: &[u8]) -> Option<()> {
        for few in text.chunks(7) {
            let mut codes = Bits::default();
            for &byte in few {
                let code = CODES.get(usize::from(byte)).filter(|code| code.count > 0)?;
                codes = codes.followed_by(*code);
                *self.counts.get_mut(usize::from(byte))? += 1;
            }
            self.put(codes)?;
        }
        self.sum(text);
        Some(())
    }

    /// Appends a text that may repeat an earlier one; three characters that do so count `weight`.
    fn value(&mut self, text: &[u8], weight: usize) -> Option<()> {
        for three in text.windows(3) {
            self.repeats += weight * usize::from(is_seen(&mut self.seen, three)?);
        }
        self.literals(text)
    }

    /// Appends [`SEPARATOR`] by a reference to the one `distance` characters before, 5 to 256.
    fn separator(&mut self, distance: usize) -> Option<()> {
        let offset = u8::try_from(distance - 1).ok()?;
        let count = offset.ilog2() - 1;
        self.put(SIX_CHARACTERS)?;
        self.put(Bits::code(
            2 * count as u8 + (offset >> count),
            DISTANCE_BITS,
        ))?;
        self.put(Bits::new(u64::from(offset) % (1 << count), count))?;
        self.sum(SEPARATOR);
        Some(())
    }

    fn sum(&mut self, text: &[u8]) {
        for &byte in text {
            self.sums.0 += u32::from(byte);
            self.sums.1 += self.sums.0;
        }
        self.read += text.len();
    }

    /// Ends block and stream.
    fn finish(mut self) -> Option<&'a [u8]> {
        self.put(END)?;
        self.put(Bits::new(0, (8 - self.pending.count) % 8))?;
        if self.may_be_longer() {
            return None;
        }
        let (a, b) = self.sums;
        let checksum = (b % ADLER_MODULUS) << 16 | (a % ADLER_MODULUS);
        self.put(Bits::new(checksum.swap_bytes().into(), 32))?;
        self.room.get(..self.length)
    }

    /// Whether zlib's stream may be the shorter one: a guess, 67 for a byte. Of 2.3 million documents with names made to mislead it
    /// and signatures as they are, of random bytes, it lets pass 400,000; zlib and zlib-rs would make none of them shorter.
    fn may_be_longer(&self) -> bool {
        let squares = self.counts.iter().map(|&count| usize::from(count).pow(2));
        67 * self.length + squares.sum::<usize>() + 55 * self.repeats + 180 > 58 * self.read
    }
}

/// A set of three characters each, as good as exact.
type Seen = [u16; 1024];

/// Puts `three` in; whether they were there already.
fn is_seen(seen: &mut Seen, three: &[u8]) -> Option<bool> {
    let &[a, b, c] = three else { return None };
    let hash = u32::from_le_bytes([a, b, c, 0]).wrapping_mul(0x9E37_79B1);
    let tag = (hash >> 6) as u16;
    let place = seen.get_mut((hash >> 22) as usize)?;
    Some(std::mem::replace(place, tag) == tag)
}

/// What a value may repeat of the text around.
static KNOWN: LazyLock<Seen> = LazyLock::new(|| {
    let mut seen = [0; 1024];
    for three in [PREFIX, &NAMES.concat()].concat().windows(3) {
        is_seen(&mut seen, three);
    }
    seen
});

/// Bits in the order of the stream, the first one lowest. Those from `count` on are 0.
#[derive(Clone, Copy, Default)]
struct Bits {
    bits: u64,
    count: u32,
}

impl Bits {
    const fn new(bits: u64, count: u32) -> Self {
        Self { bits, count }
    }

    /// A Huffman code as RFC 1951 writes it, the first bit highest.
    const fn code(code: u8, count: u32) -> Self {
        Self::new((code.reverse_bits() >> (8 - count)) as u64, count)
    }

    fn followed_by(self, more: Self) -> Self {
        Self::new(self.bits | more.bits << self.count, self.count + more.count)
    }
}

/// By character.
static CODES: LazyLock<[Bits; 128]> = LazyLock::new(|| {
    let mut codes = [Bits::default(); 128];
    for (first, last, count, code) in RUNS {
        let run = codes.get_mut(first.into()..=last.into());
        for (place, code) in run.into_iter().flatten().zip(code..) {
            *place = Bits::code(code, count);
        }
    }
    codes
});

/// First and last character, number of bits, the first one's code. The lengths are those for which documents of many
/// kinds of UserIDs have the fewest bits, description included.
const RUNS: [(u8, u8, u32, u8); 6] = [
    (b'"', b'"', 4, 0b0000),
    (b'0', b':', 5, 0b0_0010),
    (b'a', b'x', 6, 0b01_1010),
    (b'+', b'/', 8, 0b1100_1100),
    (b';', b'`', 8, 0b1101_0001),
    (b'y', b'}', 8, 0b1111_0111),
];
const END: Bits = Bits::code(0b1111_1100, 8);
const SIX_CHARACTERS: Bits = Bits::code(0b11_0010, 6);
const DISTANCE_BITS: u32 = 4;
/// The stream up to the identifier: header, description of the codes, [`PREFIX`]; its last bits are the rest.
const START: [u8; 45] = [
    0x78, 0x9c, 0x25, 0x0f, 0x53, 0x42, 0x00, 0x51, 0xf0, 0x2e, 0xf3, 0x9b, 0x9e, 0x5c, 0xb6, 0x6d,
    0x2f, 0x6d, 0xa7, 0xbb, 0x87, 0x1d, 0xd8, 0x9f, 0x70, 0x75, 0x74, 0x39, 0xdf, 0x7b, 0x35, 0x18,
    0x20, 0xf3, 0x08, 0x66, 0xff, 0xfd, 0xc8, 0xf5, 0xf2, 0x36, 0xf2, 0xa3, 0xff,
];
const START_REST: Bits = Bits::new(0x30, 6);
const PREFIX: &[u8] = br#"{"TLS.ver":"2.0","TLS.identifier":""#;
const NAMES: [&[u8]; 3] = [br#"sdkappid":"#, br#"expire":"#, br#"time":"#];
const SEPARATOR: &[u8] = br#","TLS."#;
const FIRST_SEPARATOR: usize = 16;
const ADLER_MODULUS: u32 = 65_521;

#[cfg(test)]
mod tests;
