//! The browser origins that may read our own answers.

use crate::config::raw::{Table, Value};
use crate::policy::{AllowedOrigins, HostName};

pub(super) fn origins(root: &Table<'_>) -> AllowedOrigins {
    let listed = root.section("cors", &["origins"]).items("origins");
    AllowedOrigins::new(listed.iter().filter_map(origin))
}

/// An origin as a browser sends it (RFC 6454 section 6.2): scheme and host, and the port if it is not the default.
fn origin(value: &Value<'_>) -> Option<String> {
    let text = value.text()?.to_ascii_lowercase();
    let problem = match text.split_once("://") {
        _ if text.contains('*') => Some("a wildcard would let every site read a UserSig"),
        _ if text == "null" => Some("\"null\" is what any sandboxed page sends"),
        None => Some("is not an origin"),
        Some((_, rest)) if rest.contains(['/', '?', '#']) => Some("an origin has no path"),
        Some((scheme, rest)) if !is_scheme(scheme) || HostName::from_authority(rest).is_err() => {
            Some("is not an origin")
        }
        Some(("http", rest)) if rest.ends_with(":80") => Some(DEFAULT_PORT),
        Some(("https", rest)) if rest.ends_with(":443") => Some(DEFAULT_PORT),
        Some((_, rest)) if rest.ends_with(':') => Some("is not an origin"),
        Some(_) => None,
    };
    if let Some(problem) = problem {
        value.error(
            problem,
            "scheme, host and port, as in \"https://app.example.com\"",
        );
        return None;
    }
    Some(text)
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

const DEFAULT_PORT: &str = "a browser leaves the default port out, so this never matches";
