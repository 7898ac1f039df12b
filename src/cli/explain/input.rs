//! What is asked about: the URL, header lines and files of the command line.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use http::header::{COOKIE, HeaderName, HeaderValue};
use serde_json::Value;

use crate::cli::CliError;
use crate::json::{Object, parse_object};
use crate::server::Trial;
use crate::time::UnixTime;
use crate::token::extract::{Carrier, TokenSource, TokenSources};
use crate::token::verify::{TokenIssuer, Verifier};

/// A URL in its parts, which are not changed: the proxy would see each byte of its target.
pub(super) struct Url {
    /// Host and port.
    pub(super) host: Option<String>,
    /// Path and query.
    pub(super) target: String,
}

impl Url {
    /// Takes `http://host/path`, `https://host/path` or a path.
    pub(super) fn parse(text: &str) -> Result<Self, CliError> {
        let after_scheme = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"));
        let Some(rest) = after_scheme else {
            return match text.starts_with('/') {
                true => Ok(Self::new(None, text)),
                false => Err(CliError::Usage(
                    "the URL starts with https://, http:// or, as a path, with /".to_owned(),
                )),
            };
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, target) = rest.split_at(end);
        if host.is_empty() || host.contains('@') {
            let text = "the URL has a host, and no user before it";
            return Err(CliError::Usage(text.to_owned()));
        }
        Ok(Self::new(Some(host.to_owned()), target))
    }

    fn new(host: Option<String>, target: &str) -> Self {
        let slash = match target.starts_with('/') {
            true => "",
            // RFC 9112 section 3.2.1: an empty path is sent as a slash.
            false => "/",
        };
        Self {
            host,
            target: format!("{slash}{target}"),
        }
    }

    /// The path as it was given.
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Whether it has a query.
    pub(super) fn has_query(&self) -> bool {
        self.target.contains('?')
    }
}

/// Parses `Name: value`.
pub(super) fn header_line(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("a header line is NAME: VALUE")?;
    let name = HeaderName::try_from(name).map_err(|_| "this is no header name")?;
    let value = HeaderValue::try_from(value.trim()).map_err(|_| "this is no header value")?;
    Ok((name, value))
}

/// Parses Unix seconds or a time as in RFC 3339.
pub(super) fn moment(text: &str) -> Result<UnixTime, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(UnixTime::from_secs(seconds));
    }
    let time: Result<SystemTime, _> = humantime::parse_rfc3339(text);
    time.map(UnixTime::from)
        .map_err(|_| "a moment is Unix seconds or as in 2030-01-31T12:00:00Z".to_owned())
}

/// The bytes of a file; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let result = match path.as_os_str() == "-" {
        true => io::stdin().take(MAX_INPUT_BYTES).read_to_end(&mut bytes),
        false => {
            File::open(path).and_then(|file| file.take(MAX_INPUT_BYTES).read_to_end(&mut bytes))
        }
    };
    match result {
        Ok(_) => Ok(bytes),
        Err(source) => Err(unreadable(path, source)),
    }
}

pub(super) fn read_if_any(path: Option<&Path>) -> Result<Option<Vec<u8>>, CliError> {
    path.map(read).transpose()
}

/// Claims as a token would hold them: a strict JSON object.
pub(super) fn read_claims(path: &Path) -> Result<Object, CliError> {
    let text = read(path)?;
    parse_object(&text).map_err(|error| unreadable(path, io::Error::other(error)))
}

/// A token, which is not looked at here.
pub(super) fn read_token(path: &Path) -> Result<String, CliError> {
    let text = String::from_utf8(read(path)?);
    let text = text.map_err(|_| unreadable(path, io::ErrorKind::InvalidData.into()))?;
    Ok(text.trim().to_owned())
}

/// Adds what tokens of an issuer say of themselves, where the claims do not.
pub(super) fn complete(
    claims: &mut Object,
    name: &str,
    verifier: &Verifier,
) -> Result<(), CliError> {
    let Some(issuer) = verifier.issuers().find(|issuer| issuer.name == name) else {
        let names: Vec<_> = verifier.issuers().map(|issuer| &*issuer.name).collect();
        let text = format!("there is no issuer {name}: --issuer {}", names.join(" | "));
        return Err(CliError::Usage(text));
    };
    let TokenIssuer {
        issuer, audience, ..
    } = issuer;
    let said = [("iss", issuer.as_ref()), ("aud", audience.first())];
    for (claim, value) in said {
        if let Some(value) = value {
            let value = Value::from(value.as_str());
            claims.entry(claim).or_insert(value);
        }
    }
    match verifier.issuer_of(claims) {
        Ok(found) if found.name == name => Ok(()),
        _ => Err(CliError::Usage(format!(
            "the claims have the iss of another issuer than {name}"
        ))),
    }
}

/// Puts a token into a request, where the site looks for one.
pub(super) fn place(
    sources: &TokenSources,
    trial: &mut Trial,
    carrier: Option<Carrier>,
    token: &str,
) -> Result<(), CliError> {
    let is_wanted = |source: &&TokenSource| match carrier {
        Some(carrier) => source.carrier() == carrier,
        None => source.carrier() != Carrier::Query || trial.is_websocket(),
    };
    let usage = |text: &str| CliError::Usage(text.to_owned());
    let source = sources.places().iter().find(is_wanted);
    let (name, value) = match source.ok_or_else(|| usage(NOWHERE))? {
        TokenSource::Header { name, scheme } => match scheme {
            Some(scheme) => (name.clone(), format!("{scheme} {token}")),
            None => (name.clone(), token.to_owned()),
        },
        TokenSource::Cookie { name } => (COOKIE, format!("{name}={token}")),
        TokenSource::Query { name } => {
            let is_placed = trial.add_to_query(&format!("{name}={token}"));
            return is_placed.map_err(|_| usage(NO_TOKEN));
        }
    };
    trial.add(name, value.try_into().map_err(|_| usage(NO_TOKEN))?);
    Ok(())
}

fn unreadable(path: &Path, source: io::Error) -> CliError {
    CliError::Unreadable {
        name: path.display().to_string(),
        source,
    }
}

/// Stands for a token whose claims are presumed.
pub(super) const PLACEHOLDER: &str = "cHJlc3VtZWQ.cHJlc3VtZWQ.cHJlc3VtZWQ";
const NOWHERE: &str = "session.from has no such place for a token (one in the query counts on a WebSocket upgrade only)";
const NO_TOKEN: &str = "the token cannot stand in a request";
/// More than the largest body that is judged.
const MAX_INPUT_BYTES: u64 = 16 << 20;
