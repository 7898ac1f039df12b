//! Path patterns of routes: `/api/login`, `/users/{id}`, `/api/{*rest}`.
//!
//! A pattern is neither a regular expression nor a glob, and always means the whole path. A literal segment is written
//! as a request writes it, percent codes included, and held to the rules of
//! [`CanonicalPath`](super::CanonicalPath): what no request can contain is an error here, not a route that never
//! matches.

use std::fmt;

use super::path::{CanonicalPath, PathError, Tolerance};

/// A parsed path pattern of at most 32 segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    segments: Vec<Segment>,
}

/// What one segment of a path must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// This decoded text.
    Exact(String),
    /// Any text but the empty one.
    Parameter,
    /// All segments from here on, also none.
    Rest,
}

/// Why a text is not a path pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It does not start with a slash.
    #[error("a path pattern starts with \"/\" and covers the whole path")]
    NotAbsolute,
    /// Longer than 1024 bytes.
    #[error("a path pattern has at most 1024 bytes")]
    TooLong,
    /// More than 32 segments.
    #[error("a path pattern has at most 32 segments")]
    TooManySegments,
    /// A literal segment that every request is refused for.
    #[error("no request can match \"{segment}\": {error}")]
    Unreachable {
        /// The segment as it was written.
        segment: String,
        /// What the request would be refused for.
        error: PathError,
    },
    /// A segment that reads like a glob, a regular expression or another router's parameter.
    #[error(
        "\"{segment}\" looks like a wildcard, but is not: write {{name}} for one segment, {{*rest}} for all that \
         follow, or the character as a percent code"
    )]
    Wildcard {
        /// The segment as it was written.
        segment: String,
    },
    /// A brace that is not around the whole segment.
    #[error("in \"{segment}\" the parameter is not the whole segment")]
    PartialParameter {
        /// The segment as it was written.
        segment: String,
    },
    /// The text between the braces is not a name.
    #[error("\"{segment}\" has no name of letters, digits and \"_\" between the braces")]
    ParameterName {
        /// The segment as it was written.
        segment: String,
    },
    /// Two parameters have one name.
    #[error("the parameter \"{name}\" occurs twice")]
    RepeatedParameter {
        /// The name of both.
        name: String,
    },
    /// Something follows `{*rest}`.
    #[error("{{*rest}} takes all that follows and can only be the last segment")]
    RestNotLast,
}

impl Pattern {
    /// Parses a pattern; the result matches whole segments only.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong);
        }
        let relative = text.strip_prefix('/').ok_or(PatternError::NotAbsolute)?;
        let written: Vec<&str> = relative.split('/').collect();
        if written.len() > MAX_SEGMENTS {
            return Err(PatternError::TooManySegments);
        }
        let segments = parse_segments(&written)?;
        check_names(&written)?;
        Ok(Self {
            text: text.to_owned(),
            segments,
        })
    }

    /// The pattern that every path matches.
    pub(super) fn everything() -> Self {
        Self {
            text: "/{*rest}".to_owned(),
            segments: vec![Segment::Rest],
        }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn parse_segments(written: &[&str]) -> Result<Vec<Segment>, PatternError> {
    let segments = written
        .iter()
        .map(|segment| parse_segment(segment))
        .collect::<Result<Vec<_>, _>>()?;
    let before_last = segments
        .split_last()
        .map_or([].as_slice(), |(_, rest)| rest);
    if before_last.contains(&Segment::Rest) {
        return Err(PatternError::RestNotLast);
    }
    if before_last.contains(&Segment::Exact(String::new())) {
        return Err(PatternError::Unreachable {
            segment: String::new(),
            error: PathError::DoubleSlash,
        });
    }
    Ok(segments)
}

fn parse_segment(segment: &str) -> Result<Segment, PatternError> {
    if let Some(inner) = braced(segment) {
        return parse_parameter(segment, inner);
    }
    let segment_text = || segment.to_owned();
    if segment.contains(['{', '}']) {
        return Err(PatternError::PartialParameter {
            segment: segment_text(),
        });
    }
    if looks_like_wildcard(segment) {
        return Err(PatternError::Wildcard {
            segment: segment_text(),
        });
    }
    decode_literal(segment)
        .map(Segment::Exact)
        .map_err(|error| PatternError::Unreachable {
            segment: segment_text(),
            error,
        })
}

fn braced(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

fn parse_parameter(segment: &str, inner: &str) -> Result<Segment, PatternError> {
    let (name, parsed) = match inner.strip_prefix('*') {
        Some(name) => (name, Segment::Rest),
        None => (inner, Segment::Parameter),
    };
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(is_name_byte) {
        return Err(PatternError::ParameterName {
            segment: segment.to_owned(),
        });
    }
    Ok(parsed)
}

fn looks_like_wildcard(segment: &str) -> bool {
    segment.contains(['*', '^', '|', '[', ']'])
        || segment.contains(".+")
        || segment.starts_with(':')
        || segment.ends_with('$')
}

fn decode_literal(segment: &str) -> Result<String, PathError> {
    let path = CanonicalPath::parse(format!("/{segment}").as_bytes(), Tolerance::default())?;
    Ok(path.joined().to_owned())
}

fn check_names(written: &[&str]) -> Result<(), PatternError> {
    let mut seen: Vec<&str> = Vec::new();
    for inner in written.iter().filter_map(|segment| braced(segment)) {
        let name = inner.trim_start_matches('*');
        if seen.contains(&name) {
            return Err(PatternError::RepeatedParameter {
                name: name.to_owned(),
            });
        }
        seen.push(name);
    }
    Ok(())
}

const MAX_PATTERN_BYTES: usize = 1024;
const MAX_SEGMENTS: usize = 32;

#[cfg(test)]
mod tests;
