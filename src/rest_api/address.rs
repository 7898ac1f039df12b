//! Where calls of the REST API arrive: `PREFIX/SERVICE/COMMAND`, two plain segments below a prefix of our own.
//!
//! Works on the canonical path, in which no second reading of a segment is left; what is not exactly two names is the
//! address of no command.

use super::catalog::CommandName;
use crate::policy::{CanonicalPath, PathError, Tolerance};

/// The path below which commands are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    text: String,
    path: CanonicalPath,
}

/// Why a text is not a [`Prefix`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// No request can have it.
    #[error("no request can have this path: {0}")]
    Path(PathError),
    /// It is not below `/_chat/`, or ends in a slash.
    #[error("must be a path below /_chat/, which is the proxy's own, without a slash at its end")]
    NotOurs,
}

/// What a path below the prefix names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A command, known or not.
    Command(CommandName),
    /// Nothing that could be a command.
    Nothing,
}

impl Prefix {
    /// Parses a path below `/_chat/`.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let path = CanonicalPath::parse(text.as_bytes(), Tolerance::default())
            .map_err(PrefixError::Path)?;
        if !text.starts_with("/_chat/") || text.ends_with('/') {
            return Err(PrefixError::NotOurs);
        }
        Ok(Self {
            text: text.to_owned(),
            path,
        })
    }

    /// The prefix as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What `path` names; `None` when it is not below the prefix.
    pub fn address(&self, path: &CanonicalPath) -> Option<Address> {
        let mut segments = path.segments_below(&self.path)?;
        let (service, name, more) = (segments.next(), segments.next(), segments.next());
        let (Some(service), Some(name), None) = (service, name, more) else {
            return Some(Address::Nothing);
        };
        let parsed = CommandName::parse(&format!("{service}/{name}"));
        Some(parsed.map_or(Address::Nothing, Address::Command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(path: &str, tolerance: Tolerance) -> Option<Address> {
        let prefix = Prefix::parse("/_chat/v4").unwrap();
        prefix.address(&CanonicalPath::parse(path.as_bytes(), tolerance).unwrap())
    }

    #[test]
    fn u8_a_call_has_exactly_two_names_below_the_prefix() {
        let none = Tolerance::default();
        let all = Tolerance {
            encoded_slash: true,
            semicolon: true,
            double_slash: true,
        };
        let found = address("/_chat/v4/openim/sendmsg", none);
        let name = CommandName::parse("openim/sendmsg").unwrap();
        assert_eq!(found, Some(Address::Command(name)));
        for path in [
            "/_chat/v4",
            "/_chat/v4/",
            "/_chat/v4/openim",
            "/_chat/v4/openim/",
            "/_chat/v4/openim/sendmsg/",
            "/_chat/v4/openim/sendmsg/x",
            "/_chat/v4/openim/send%20msg",
            "/_chat/v4/openim/send-msg",
            "/_chat/v4/openim/%C3%BC",
        ] {
            assert_eq!(address(path, none), Some(Address::Nothing), "{path}");
        }
        for path in [
            "/_chat/v4//openim/sendmsg",
            "/_chat/v4/openim%2Fsendmsg",
            "/_chat/v4/openim%2Fsendmsg/x",
            "/_chat/v4/openim/sendmsg;x",
        ] {
            assert_eq!(address(path, all), Some(Address::Nothing), "{path}");
        }
        for path in ["/_chat/v40/openim/sendmsg", "/_chat/V4/openim/sendmsg", "/"] {
            assert_eq!(address(path, none), None, "{path}");
        }
        let climbing = b"/_chat/v4/openim/sendmsg/../../im_open_login_svc/account_delete";
        assert!(CanonicalPath::parse(climbing, all).is_err());
    }

    #[test]
    fn a_prefix_is_a_path_of_the_proxy() {
        for (text, good) in [
            ("/_chat/v4", true),
            ("/_chat/rest/api", true),
            ("/_chat", false),
            ("/_chat/", false),
            ("/_chat/v4/", false),
            ("/v4", false),
            ("_chat/v4", false),
            ("/_chat/../v4", false),
            ("/_chat//v4", false),
        ] {
            assert_eq!(Prefix::parse(text).is_ok(), good, "{text}");
        }
    }
}
