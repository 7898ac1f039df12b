//! Where a request carries its session token: a header, a cookie, or the query of a WebSocket upgrade.
//!
//! A request has one token or none. Two different ones are a conflict, and a place that two readers could read
//! differently (a repeated `Authorization`, joined credentials, a quoted cookie) is refused, never resolved: the app
//! behind us reads the same request, and must not see another user in it than we do.

use http::header::{COOKIE, HeaderMap, HeaderName};

use super::{BearerToken, TokenError};

/// One place where the app's clients put the session token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// A request header: `<scheme> <token>`, or the bare token without a scheme.
    Header {
        /// The header's name.
        name: HeaderName,
        /// The authentication scheme, compared without case, as in `Bearer`.
        scheme: Option<String>,
    },
    /// A cookie of exactly this name.
    Cookie {
        /// The cookie's name.
        name: String,
    },
    /// A query parameter, which counts on a WebSocket upgrade only: browsers set no headers there.
    Query {
        /// The parameter's name.
        name: String,
    },
}

/// The configured places, of which each may carry the token.
#[derive(Clone, Debug)]
pub struct TokenSources(Vec<TokenSource>);

/// A token and how it came.
#[derive(Clone, Debug)]
pub struct Extracted {
    /// The token, in shape but not verified.
    pub token: BearerToken,
    /// The place; of several with the same token, the header first and the cookie last.
    pub carrier: Carrier,
}

/// How a token came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    /// In a header, which only a script or program sets.
    Header,
    /// In the query of a WebSocket upgrade.
    Query,
    /// In a cookie alone, which a browser adds by itself: the request may be forged by another site.
    Cookie,
}

/// Why a request has no clear token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// Two different tokens, or a place that holds more than one.
    #[error("the request carries more than one token")]
    Conflict,
    /// What is there is not a token.
    #[error(transparent)]
    Invalid(#[from] TokenError),
}

/// Why a list of places is not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenSourceError {
    /// The list is empty.
    #[error("at least one place for the session token is needed")]
    Empty,
    /// A scheme is not an RFC 9110 token.
    #[error("a scheme is one word, such as \"Bearer\"")]
    Scheme,
    /// A cookie name is not an RFC 6265 name.
    #[error("a cookie name holds no spaces, separators or control characters")]
    CookieName,
    /// A query parameter's name would need percent-encoding.
    #[error("a query name holds only letters, digits and \"-._~\"")]
    QueryName,
    /// One place is listed twice.
    #[error("a place for the session token is listed twice")]
    Repeated,
}

impl TokenSources {
    /// Takes the places; their order does not matter to what is found.
    pub fn new(sources: Vec<TokenSource>) -> Result<Self, TokenSourceError> {
        if sources.is_empty() {
            return Err(TokenSourceError::Empty);
        }
        for (index, source) in sources.iter().enumerate() {
            source.check_names()?;
            if sources.iter().take(index).any(|earlier| earlier == source) {
                return Err(TokenSourceError::Repeated);
            }
        }
        Ok(Self(sources))
    }

    /// The places, in the order in which they were given.
    pub fn places(&self) -> &[TokenSource] {
        &self.0
    }

    /// The headers among the places.
    pub fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().filter_map(|source| match source {
            TokenSource::Header { name, .. } => Some(name),
            TokenSource::Cookie { .. } | TokenSource::Query { .. } => None,
        })
    }

    /// The one token of a request with these headers and this query (without its `?`), or none.
    pub fn extract(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
        websocket: bool,
    ) -> Result<Option<Extracted>, ExtractError> {
        let mut found = None;
        for source in &self.0 {
            if let Some(text) = source.find(headers, query, websocket)? {
                found = Some(join(found, (text, source.carrier()))?);
            }
        }
        let Some((text, carrier)) = found else {
            return Ok(None);
        };
        let token = BearerToken::parse(text)?;
        Ok(Some(Extracted { token, carrier }))
    }
}

impl TokenSource {
    fn find<'a>(
        &self,
        headers: &'a HeaderMap,
        query: Option<&'a str>,
        websocket: bool,
    ) -> Result<Option<&'a str>, ExtractError> {
        match self {
            Self::Header { name, scheme } => in_header(headers, name, scheme.as_deref()),
            Self::Cookie { name } => in_cookies(headers, name),
            Self::Query { name } if websocket => in_query(query.unwrap_or_default(), name),
            Self::Query { .. } => Ok(None),
        }
    }

    /// How a token comes that stands here.
    pub fn carrier(&self) -> Carrier {
        match self {
            Self::Header { .. } => Carrier::Header,
            Self::Query { .. } => Carrier::Query,
            Self::Cookie { .. } => Carrier::Cookie,
        }
    }

    fn check_names(&self) -> Result<(), TokenSourceError> {
        let (name, allowed, error) = match self {
            Self::Header { scheme: None, .. } => return Ok(()),
            Self::Header {
                scheme: Some(scheme),
                ..
            } => (scheme, TOKEN_SYMBOLS, TokenSourceError::Scheme),
            Self::Cookie { name } => (name, TOKEN_SYMBOLS, TokenSourceError::CookieName),
            Self::Query { name } => (name, "-._~", TokenSourceError::QueryName),
        };
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || allowed.contains(c);
        if name.is_empty() || !name.chars().all(is_allowed) {
            return Err(error);
        }
        Ok(())
    }
}

/// Two places with the same text are one token.
fn join<'a>(
    before: Option<(&'a str, Carrier)>,
    (text, carrier): (&'a str, Carrier),
) -> Result<(&'a str, Carrier), ExtractError> {
    match before {
        None => Ok((text, carrier)),
        Some((same, earlier)) if same == text => Ok((text, earlier.min(carrier))),
        Some(_) => Err(ExtractError::Conflict),
    }
}

fn in_header<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    scheme: Option<&str>,
) -> Result<Option<&'a str>, ExtractError> {
    let mut fields = headers.get_all(name).iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(ExtractError::Conflict);
    }
    let value = field.to_str().map_err(|_| TokenError::BadShape)?;
    match scheme {
        Some(scheme) => credentials(value, scheme),
        None => Ok(present(value)),
    }
}

/// RFC 9110 section 11.4: `scheme SP+ token68`. Another scheme means that the token is not here.
fn credentials<'a>(value: &'a str, scheme: &str) -> Result<Option<&'a str>, ExtractError> {
    if let Some(token) = after_scheme(value, scheme) {
        return Ok(Some(token));
    }
    let mut joined = value.split(',').skip(1);
    if joined.any(|part| after_scheme(part.trim_ascii_start(), scheme).is_some()) {
        return Err(ExtractError::Conflict);
    }
    Ok(None)
}

/// What follows the scheme. A tab ends the word too, because servers split there; it is then no part of any token.
fn after_scheme<'a>(value: &'a str, scheme: &str) -> Option<&'a str> {
    let end = value.find([' ', '\t']).unwrap_or(value.len());
    let (word, rest) = value.split_at_checked(end)?;
    word.eq_ignore_ascii_case(scheme)
        .then(|| rest.trim_start_matches(' '))
}

/// RFC 6265 section 5.4, with the several `cookie` fields of HTTP/2 read as one (RFC 9113 section 8.2.3).
fn in_cookies<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ExtractError> {
    let fields = || headers.get_all(COOKIE).iter().map(|field| field.as_bytes());
    if fields().map(<[u8]>::len).sum::<usize>() > MAX_COOKIE_BYTES {
        return Err(TokenError::TooLong.into());
    }
    let cookies = fields()
        .flat_map(|field| field.split(|&byte| byte == b';'))
        .filter_map(split_at_equals)
        .filter(|(found, _)| trim_to_graphic(found) == name.as_bytes())
        .map(|(found, value)| (found.trim_ascii(), value.trim_ascii()));
    let Some((found, value)) = agreed(cookies)? else {
        return Ok(None);
    };
    // Readers that take the field for Latin-1 trim a no-break space too, and others keep it.
    if found != name.as_bytes() {
        return Err(TokenError::BadShape.into());
    }
    let value = std::str::from_utf8(value).map_err(|_| TokenError::BadShape)?;
    Ok(present(value))
}

fn in_query<'a>(query: &'a str, name: &str) -> Result<Option<&'a str>, ExtractError> {
    let values = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(found, _)| decodes_to(found, name))
        .map(|(_, value)| value);
    Ok(agreed(values)?.and_then(present))
}

/// The one value of a name that may be repeated, as long as every copy says the same.
fn agreed<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Result<Option<T>, ExtractError> {
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if values.any(|value| value != first) {
        return Err(ExtractError::Conflict);
    }
    Ok(Some(first))
}

/// An empty value is how many apps write "signed out": it carries no token.
fn present(value: &str) -> Option<&str> {
    Some(value).filter(|value| !value.is_empty())
}

/// Without what any reader could take for white space at the ends.
fn trim_to_graphic(text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| !byte.is_ascii_graphic();
    let start = text.iter().take_while(|byte| is_space(byte)).count();
    let text = text.get(start..).unwrap_or_default();
    let end = text.iter().rev().take_while(|byte| is_space(byte)).count();
    text.get(..text.len() - end).unwrap_or_default()
}

fn split_at_equals(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = pair.iter().position(|&byte| byte == b'=')?;
    let (name, value) = pair.split_at_checked(at)?;
    Some((name, value.get(1..)?))
}

/// Whether a query name is `name`, also when it hides behind percent-encoding that the app would undo.
fn decodes_to(encoded: &str, name: &str) -> bool {
    let mut rest = encoded.as_bytes();
    let matches = name.bytes().all(|wanted| match rest {
        [b'%', high, low, tail @ ..] => {
            rest = tail;
            hex_pair(*high, *low) == Some(wanted)
        }
        [byte, tail @ ..] => {
            rest = tail;
            *byte == wanted
        }
        [] => false,
    });
    matches && rest.is_empty()
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// What RFC 9110 section 5.6.2 allows in a token beside letters and digits; cookie names are such tokens too.
const TOKEN_SYMBOLS: &str = "!#$%&'*+-.^_`|~";

/// The most cookie bytes of one request that are searched.
const MAX_COOKIE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
