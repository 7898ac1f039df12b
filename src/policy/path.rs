//! The path of a request in the one reading that every parser shares, or a refusal.
//!
//! The path is forwarded as it came, so a spelling that the app could read differently than we do is refused rather
//! than repaired. What stays is decoded once, segment by segment. Decoding then moves no boundary between segments, and
//! two spellings that meet stand for the same characters (`%C3` and `%c3`, `@` and `%40`), never for another path.
//! An operator whose app needs one of three refused spellings may allow it; such a path is marked as ambiguous.

use std::str::Split;

/// The decoded segments of a path whose boundaries every parser sees at the same places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalPath {
    /// The segments, joined by [`SEPARATOR`], which no segment can hold.
    text: String,
    ambiguous: bool,
}

/// Refused spellings that the operator's app needs; none of them by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tolerance {
    /// `%2F` inside a segment.
    pub encoded_slash: bool,
    /// `;` or `%3B` inside a segment, which some servers take for the start of parameters.
    pub semicolon: bool,
    /// Empty segments, which some servers merge away.
    pub double_slash: bool,
}

/// Why a path is refused: the spelling that two parsers could read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not start with a slash.
    #[error("the path does not start with \"/\"")]
    NotAbsolute,
    /// A percent sign without two hexadecimal digits after it.
    #[error("\"%\" is not followed by two hexadecimal digits")]
    BadPercentCode,
    /// `%2F`.
    #[error("an encoded slash")]
    EncodedSlash,
    /// `%5C`.
    #[error("an encoded backslash")]
    EncodedBackslash,
    /// A letter, digit, `-`, `.`, `_` or `~` as a percent code (RFC 3986 section 2.3).
    #[error("a percent code stands for a letter, digit, \"-\", \".\", \"_\" or \"~\"")]
    EncodedUnreserved,
    /// A percent code that is a percent code again once decoded, such as `%252F`.
    #[error("a percent code is encoded twice")]
    DoubleEncoding,
    /// A control character, raw or encoded.
    #[error("a control character")]
    Control,
    /// `\`.
    #[error("a backslash")]
    Backslash,
    /// `#`.
    #[error("a number sign, which starts a fragment")]
    Fragment,
    /// `;` or `%3B`.
    #[error("a semicolon, which may start parameters")]
    Semicolon,
    /// A raw byte above 127.
    #[error("a character outside ASCII that is not percent-encoded")]
    NonAscii,
    /// Another character that may not stand in a path as it is.
    #[error("a character that a path holds only as a percent code")]
    ForbiddenCharacter,
    /// What the percent codes stand for is not UTF-8.
    #[error("the decoded path is not UTF-8")]
    NotUtf8,
    /// A segment of dots only.
    #[error("a dot segment")]
    DotSegment,
    /// An empty segment before the last one.
    #[error("a double slash")]
    DoubleSlash,
}

impl CanonicalPath {
    /// Parses the path of a request target: the bytes before the query, as they will be forwarded.
    pub fn parse(raw: &[u8], tolerance: Tolerance) -> Result<Self, PathError> {
        let relative = raw.strip_prefix(b"/").ok_or(PathError::NotAbsolute)?;
        let mut decoder = Decoder {
            tolerance,
            ambiguous: false,
        };
        let decoded = decoder.decode(relative)?;
        let text = String::from_utf8(decoded).map_err(|_| PathError::NotUtf8)?;
        text.split(SEPARATOR).try_for_each(check_decoded)?;
        if has_inner_empty_segment(&text) {
            decoder.tolerate(tolerance.double_slash, PathError::DoubleSlash)?;
        }
        Ok(Self {
            text,
            ambiguous: decoder.ambiguous,
        })
    }

    /// Whether a tolerated spelling occurs, so that the app may read another path than the segments here.
    pub fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// The decoded segments: `/a/b` has two, `/a/` has `a` and an empty one, `/` has one empty one.
    pub fn segments(&self) -> Segments<'_> {
        self.text.split(SEPARATOR)
    }

    /// The segments that follow `prefix`, if the path starts with all of its segments.
    pub fn segments_below(&self, prefix: &Self) -> Option<Segments<'_>> {
        let mut segments = self.segments();
        let starts = prefix
            .segments()
            .all(|expected| segments.next() == Some(expected));
        starts.then_some(segments)
    }

    /// The segments joined by [`SEPARATOR`].
    pub(super) fn joined(&self) -> &str {
        &self.text
    }
}

impl PathError {
    /// A fixed word for logs and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotAbsolute => "not_absolute",
            Self::BadPercentCode => "bad_percent_code",
            Self::EncodedSlash => "encoded_slash",
            Self::EncodedBackslash => "encoded_backslash",
            Self::EncodedUnreserved => "encoded_unreserved",
            Self::DoubleEncoding => "double_encoding",
            Self::Control => "control_character",
            Self::Backslash => "backslash",
            Self::Fragment => "fragment",
            Self::Semicolon => "semicolon",
            Self::NonAscii => "non_ascii",
            Self::ForbiddenCharacter => "forbidden_character",
            Self::NotUtf8 => "not_utf8",
            Self::DotSegment => "dot_segment",
            Self::DoubleSlash => "double_slash",
        }
    }
}

/// Decoded segments in order.
pub type Segments<'a> = Split<'a, char>;

/// Decodes one level of percent codes and refuses bytes, raw or encoded, that have a second reading.
struct Decoder {
    tolerance: Tolerance,
    ambiguous: bool,
}

impl Decoder {
    fn decode(&mut self, relative: &[u8]) -> Result<Vec<u8>, PathError> {
        let mut decoded = Vec::with_capacity(relative.len());
        let mut bytes = relative.iter().copied();
        while let Some(byte) = bytes.next() {
            decoded.push(match byte {
                b'/' => SEPARATOR as u8,
                b'%' => self.percent_code(bytes.next(), bytes.next())?,
                raw => self.raw_byte(raw)?,
            });
        }
        Ok(decoded)
    }

    fn percent_code(&mut self, high: Option<u8>, low: Option<u8>) -> Result<u8, PathError> {
        let digits = high.and_then(hex_digit).zip(low.and_then(hex_digit));
        let (high, low) = digits.ok_or(PathError::BadPercentCode)?;
        let byte = high << 4 | low;
        match byte {
            b'/' => self.tolerate(self.tolerance.encoded_slash, PathError::EncodedSlash)?,
            b';' => self.tolerate(self.tolerance.semicolon, PathError::Semicolon)?,
            b'\\' => return Err(PathError::EncodedBackslash),
            _ if byte.is_ascii_control() => return Err(PathError::Control),
            _ if is_unreserved(byte) => return Err(PathError::EncodedUnreserved),
            _ => {}
        }
        Ok(byte)
    }

    fn raw_byte(&mut self, byte: u8) -> Result<u8, PathError> {
        match byte {
            b';' => self.tolerate(self.tolerance.semicolon, PathError::Semicolon)?,
            b'\\' => return Err(PathError::Backslash),
            b'#' => return Err(PathError::Fragment),
            _ if byte.is_ascii_control() => return Err(PathError::Control),
            _ if !byte.is_ascii() => return Err(PathError::NonAscii),
            _ if is_unreserved(byte) || RAW_CHARACTERS.contains(&byte) => {}
            _ => return Err(PathError::ForbiddenCharacter),
        }
        Ok(byte)
    }

    fn tolerate(&mut self, tolerated: bool, error: PathError) -> Result<(), PathError> {
        if !tolerated {
            return Err(error);
        }
        self.ambiguous = true;
        Ok(())
    }
}

/// Refuses what only shows once a segment is decoded.
fn check_decoded(segment: &str) -> Result<(), PathError> {
    if segment.chars().any(char::is_control) {
        return Err(PathError::Control);
    }
    if segment.as_bytes().windows(3).any(is_percent_code) {
        return Err(PathError::DoubleEncoding);
    }
    // With a tolerated `%2F` the app may see several segments here.
    if segment.split('/').any(is_dot_segment) {
        return Err(PathError::DotSegment);
    }
    Ok(())
}

fn is_percent_code(window: &[u8]) -> bool {
    matches!(window, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

/// Whether an app could climb with this segment: it may cut parameters off first, and Windows drops spaces and takes
/// more than two dots.
fn is_dot_segment(segment: &str) -> bool {
    let name = segment.split_once(';').map_or(segment, |(name, _)| name);
    let dots = name.trim();
    !dots.is_empty() && dots.bytes().all(|byte| byte == b'.')
}

fn has_inner_empty_segment(text: &str) -> bool {
    text.rsplit_once(SEPARATOR)
        .is_some_and(|(before_last, _)| before_last.split(SEPARATOR).any(str::is_empty))
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// NUL cannot be part of a segment, for control characters are refused in every spelling.
pub(super) const SEPARATOR: char = '\0';

/// Besides the unreserved ones: `pchar` of RFC 3986 without `;`, then six that browsers send as they are.
const RAW_CHARACTERS: &[u8] = b"!$&'()*+,=:@|[]^{}";

#[cfg(test)]
mod tests;
