//! Names of request headers as an app may read them, and the ones that a client may not send.
//!
//! CGI-style servers turn `-` and other characters into `_`, so `X_Chat_UserSig` and `_X-Chat.UserSig` reach the app under
//! the name of `X-Chat-UserSig`. Names are compared in the one spelling that all of these fold into. `proxy` strips by
//! it; `config` refuses a token header that would never arrive.

/// A name in the one spelling of all that a server might take for it: `_X_Chat.UserSig` is `x-chat-usersig`.
pub struct Folded {
    length: usize,
    bytes: [u8; LONGEST],
    /// In place of the bytes where those do not suffice.
    long: Option<String>,
}

impl Folded {
    /// Folds a name, which may have any bytes.
    pub fn of(name: &[u8]) -> Self {
        let start = name.iter().position(u8::is_ascii_alphanumeric);
        let end = name.iter().rposition(u8::is_ascii_alphanumeric);
        let trimmed = start
            .zip(end)
            .and_then(|(start, end)| name.get(start..=end));
        let trimmed = trimmed.unwrap_or_default();
        let mut folded = Self {
            length: trimmed.len(),
            bytes: [0; LONGEST],
            long: None,
        };
        match folded.bytes.get_mut(..trimmed.len()) {
            Some(bytes) => {
                for (byte, original) in bytes.iter_mut().zip(trimmed) {
                    *byte = fold_byte(*original);
                }
            }
            None => {
                folded.long = Some(
                    trimmed
                        .iter()
                        .map(|byte| char::from(fold_byte(*byte)))
                        .collect(),
                )
            }
        }
        folded
    }

    /// The folded name: lower-case letters, digits and `-`.
    pub fn as_str(&self) -> &str {
        let short = || self.bytes.get(..self.length).unwrap_or_default();
        match &self.long {
            Some(long) => long,
            None => std::str::from_utf8(short()).unwrap_or_default(),
        }
    }

    /// Whether this is what tells an app where a request came from, by whom it was passed on, or which other host or path
    /// it is for. Nobody before the proxy is trusted to say so, because these are not what was judged.
    pub fn is_forwarding(&self) -> bool {
        let name = self.as_str();
        name.starts_with("x-forwarded-") || FORWARDING.binary_search(&name).is_ok()
    }

    /// Whether no client may send such a header, whatever else the proxy sets: it claims another origin or path, or is the
    /// request id.
    pub fn is_reserved(&self) -> bool {
        self.as_str() == REQUEST_ID || self.is_forwarding()
    }
}

/// Whether a name, which may have any bytes, is one that [`Folded::is_forwarding`].
pub fn is_forwarding(name: &[u8]) -> bool {
    Initials::FORWARDING.has_that_of(name) && Folded::of(name).is_forwarding()
}

/// A set of first letters and digits of folded names. Most headers of a request begin like none that matters, and need
/// not be folded to tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Initials(u64);

impl Initials {
    const FORWARDING: Self = Self::of_all(FORWARDING).with(b"x-forwarded-");
    /// Of the names that [are reserved](Folded::is_reserved).
    pub const RESERVED: Self = Self::FORWARDING.with(REQUEST_ID.as_bytes());

    /// With that of another name, which may have any bytes.
    #[must_use]
    pub const fn with(self, name: &[u8]) -> Self {
        match initial(name) {
            Some(bit) => Self(self.0 | 1 << bit),
            None => self,
        }
    }

    /// Whether the first letter or digit of a name is in the set.
    pub fn has_that_of(self, name: &[u8]) -> bool {
        initial(name).is_some_and(|bit| self.0 >> bit & 1 == 1)
    }

    const fn of_all(names: &[&str]) -> Self {
        let mut set = Self(0);
        let mut rest = names;
        while let [name, after @ ..] = rest {
            set = set.with(name.as_bytes());
            rest = after;
        }
        set
    }
}

/// A number below 64 for the first letter or digit, in either case.
const fn initial(name: &[u8]) -> Option<u32> {
    let mut rest = name;
    while let [byte, after @ ..] = rest {
        if byte.is_ascii_alphanumeric() {
            // Digits are 48 to 57, letters 1 to 26 in both cases.
            return Some((*byte & if byte.is_ascii_digit() { 63 } else { 31 }) as u32);
        }
        rest = after;
    }
    None
}

/// Whether an app may take one name for the other.
pub fn is_alias(one: &str, other: &str) -> bool {
    Folded::of(one.as_bytes()).as_str() == Folded::of(other.as_bytes()).as_str()
}

fn fold_byte(byte: u8) -> u8 {
    match byte.is_ascii_alphanumeric() {
        true => byte.to_ascii_lowercase(),
        false => b'-',
    }
}

/// No name that matters by itself is longer.
const LONGEST: usize = 64;
const REQUEST_ID: &str = "x-request-id";

/// Who the client is, and which host or path is served instead of the one that was judged. In order, for the search.
const FORWARDING: &[&str] = &[
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-pseudo-ipv4",
    "client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "forwarded",
    "proxy-client-ip",
    "true-client-ip",
    "wl-proxy-client-ip",
    "x-appengine-user-ip",
    "x-azure-clientip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "x-forwarded",
    "x-host",
    "x-original-forwarded-for",
    "x-original-host",
    "x-original-uri",
    "x-original-url",
    "x-real-ip",
    "x-remote-addr",
    "x-remote-ip",
    "x-rewrite-url",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h1_every_spelling_folds_into_one() {
        for name in ["X-Chat-UserSig", "x_chat_usersig", "_X.Chat~UserSig_"] {
            let folded = Folded::of(name.as_bytes());
            assert_eq!(folded.as_str(), "x-chat-usersig", "{name}");
            assert!(is_alias(name, "x-chat-usersig") && is_alias("X_CHAT_USERSIG", name));
        }
        assert!(!is_alias("x-chat-user-sig", "x-chat-usersig"));
        assert!(!is_alias("", "x-chat-usersig"));
        assert_eq!(Folded::of(b"-_.").as_str(), "");
        assert_eq!(Folded::of(b"\xffA\xffb\xc3\xa9").as_str(), "a-b");
        let long = format!("_X_{}", "Y".repeat(200));
        let folded = format!("x-{}", "y".repeat(200));
        assert_eq!(Folded::of(long.as_bytes()).as_str(), folded);
        assert!(is_alias(&long, &folded) && !is_alias(&long, &folded[..LONGEST]));
    }

    #[test]
    fn the_list_is_in_order_and_folded() {
        assert!(FORWARDING.is_sorted());
        for name in FORWARDING {
            let folded = Folded::of(name.as_bytes());
            assert_eq!(folded.as_str(), *name);
            assert!(folded.is_forwarding() && is_forwarding(name.as_bytes()));
        }
    }

    #[test]
    fn initials_are_of_the_first_letter_or_digit_in_either_case() {
        let set = Initials::default().with(b"x-chat").with(b"_9lives");
        for name in ["X-Chat", "x", "-X", "__x_", "9", ".9"] {
            assert!(set.has_that_of(name.as_bytes()), "{name}");
        }
        for name in ["", "-", "y", "Y-X", "8", "\u{e9}y", "w", "a9"] {
            assert!(!set.has_that_of(name.as_bytes()), "{name}");
        }
        let everyone: Vec<u8> = (b'a'..=b'z').chain(b'0'..=b'9').collect();
        for one in &everyone {
            let set = Initials::default().with(&[*one]);
            let alike = |other: &&u8| set.has_that_of(&[**other]);
            assert_eq!(everyone.iter().filter(alike).collect::<Vec<_>>(), [one]);
        }
    }

    #[test]
    fn h1_h9_what_only_the_proxy_may_say_is_stripped() {
        for name in [
            "X-Request-ID",
            "x_request_id",
            "-X.Request.ID",
            "Forwarded",
            "_Forwarded",
            "X-Forwarded",
            "X-Forwarded-For",
            "_X-Forwarded-For",
            ".x_forwarded.access-token",
            "X_Real_IP",
            "True-Client-IP",
            "X-Client-IP",
            "X_Cluster_Client_IP",
            "CF-Connecting-IP",
            "X-Original-Host",
            "X-Original-URI",
            "X-Original-URL",
            "X-Rewrite-URL",
        ] {
            assert!(Folded::of(name.as_bytes()).is_reserved(), "{name}");
            assert!(Initials::RESERVED.has_that_of(name.as_bytes()), "{name}");
        }
        for name in [
            "Authorization",
            "Cookie",
            "From",
            "Host",
            "X-Forward",
            "X-Forwardedly-For",
            "X-Request-Start",
            "X-Request-ID-2",
            "X-Chat",
            "X-Chat-UserSignature",
            "Client",
        ] {
            assert!(!Folded::of(name.as_bytes()).is_reserved(), "{name}");
        }
    }
}
