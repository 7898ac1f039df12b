//! Headers that only the proxy may set: stripped from every request, in every spelling that an app could read as them. So are
//! other spellings of the headers that the session token is read from: an app that folds names would find a second token there.
//!
//! A client can also have a header dropped, by nominating it in `Connection`. What the walk or the app decides by must
//! not be dropped between the two.

use std::collections::BTreeSet;

use http::header::{CONNECTION, HeaderMap, HeaderName, UPGRADE};
use pingora::http::RequestHeader;

use super::request::asks_for_websocket;
use crate::policy::header_name::{Folded, Initials};
use crate::rejection::Rejection;

/// The names under which UserID, UserSig and SDKAppID are injected.
#[derive(Clone, Debug)]
pub struct InjectedNames {
    /// The header that carries the UserID.
    pub user_id: HeaderName,
    /// The header that carries the UserSig.
    pub user_sig: HeaderName,
    /// The header that carries the SDKAppID.
    pub sdk_app_id: HeaderName,
    /// The cookie that carries the UserSig.
    pub cookie: String,
}

impl InjectedNames {
    fn headers(&self) -> [String; 3] {
        [&self.user_id, &self.user_sig, &self.sdk_app_id].map(folded)
    }
}

/// Decides which request headers a client may not send, and which it may not have dropped.
pub(super) struct Stripper {
    ours: BTreeSet<String>,
    /// Of the names that are ours or reserved.
    initials: Initials,
    /// The headers that may carry the session token, and what they fold to.
    tokens: Vec<(HeaderName, String)>,
}

impl Stripper {
    /// For these injected names, those of other sites, and these headers that may carry the session token. What another
    /// site injects and this one reads its token from stays.
    pub(super) fn new<'a>(
        names: &InjectedNames,
        of_others: &[InjectedNames],
        tokens: impl Iterator<Item = &'a HeaderName>,
    ) -> Self {
        let tokens: Vec<_> = tokens.map(|name| (name.clone(), folded(name))).collect();
        let is_token = |name: &String| tokens.iter().any(|(_, token)| token == name);
        let others = of_others.iter().flat_map(InjectedNames::headers);
        let others = others.filter(|name| !is_token(name));
        let ours: BTreeSet<_> = others.chain(names.headers()).collect();
        let initials = |set: Initials, name: &String| set.with(name.as_bytes());
        Self {
            initials: ours.iter().fold(Initials::RESERVED, initials),
            ours,
            tokens,
        }
    }

    /// Takes what a client may not send out of a request, and gives the names.
    pub(super) fn strip(&self, request: &mut RequestHeader) -> Result<Vec<HeaderName>, Rejection> {
        self.check_nominations(&request.headers)?;
        let mut names = self.find(&request.headers);
        for name in &names {
            request.remove_header(name);
        }
        if !asks_for_websocket(request) && request.remove_header(&UPGRADE).is_some() {
            // The framework would switch protocols for less than a handshake.
            names.push(UPGRADE);
        }
        Ok(names)
    }

    /// The names in `headers` that must go, each once.
    fn find(&self, headers: &HeaderMap) -> Vec<HeaderName> {
        headers
            .keys()
            .filter(|name| {
                let bytes = name.as_str().as_bytes();
                let may_be_ours = self.initials.has_that_of(bytes);
                may_be_ours && self.is_ours_alone(&Folded::of(bytes))
                    || self.is_alias_of_token(name)
            })
            .cloned()
            .collect()
    }

    /// Refuses a `Connection` that nominates what the walk, the app or we go by (RFC 9110 section 7.6.1).
    fn check_nominations(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        let mut nominated = headers
            .get_all(CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .map(Folded::of);
        match nominated.any(|name| self.is_end_to_end(&name)) {
            true => Err(Rejection::RequestInvalid),
            false => Ok(()),
        }
    }

    fn is_end_to_end(&self, folded: &Folded) -> bool {
        let name = folded.as_str();
        END_TO_END.contains(&name)
            || self.tokens.iter().any(|(_, token)| token == name)
            || END_TO_END_FAMILIES
                .iter()
                .any(|family| name.starts_with(family))
            || self.is_ours_alone(folded)
    }

    fn is_ours_alone(&self, folded: &Folded) -> bool {
        folded.is_reserved() || self.ours.contains(folded.as_str())
    }

    /// Whether an app could read the session token from a header that we do not look into.
    fn is_alias_of_token(&self, name: &HeaderName) -> bool {
        let bytes = name.as_str().as_bytes();
        let is_outer = |byte: Option<&u8>| byte.is_some_and(|byte| !byte.is_ascii_alphanumeric());
        let is_trimmed = is_outer(bytes.first()) || is_outer(bytes.last());
        // Only those of a length that it could fold to are folded: one comparison for most headers of a request.
        let is_like = |(token, folded): &(HeaderName, String)| {
            (bytes.len() == folded.len() || is_trimmed)
                && token != name
                && Folded::of(bytes).as_str() == folded
        };
        self.tokens.iter().any(is_like) && !self.tokens.iter().any(|(token, _)| token == name)
    }
}

fn folded(name: &HeaderName) -> String {
    Folded::of(name.as_str().as_bytes()).as_str().to_owned()
}

/// What says whose request it is, for which host, and on behalf of which page.
const END_TO_END: [&str; 5] = ["authorization", "cookie", "host", "origin", "referer"];
/// What describes the body, and what makes a preflight.
const END_TO_END_FAMILIES: [&str; 2] = ["content-", "access-control-request-"];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn stripper() -> Stripper {
        let names = InjectedNames {
            user_id: HeaderName::from_static("x-chat-userid"),
            user_sig: HeaderName::from_static("x-chat-usersig"),
            sdk_app_id: HeaderName::from_static("x-chat-sdkappid"),
            cookie: "chat_usersig".into(),
        };
        let others = InjectedNames {
            user_id: HeaderName::from_static("x-other-userid"),
            // Read here as a session token.
            sdk_app_id: HeaderName::from_static("x-session"),
            ..names.clone()
        };
        let token = HeaderName::from_static("x-session");
        Stripper::new(&names, &[others], [&token].into_iter())
    }

    fn stripped(sent: &[&str]) -> Vec<String> {
        let stripper = stripper();
        let mut headers = HeaderMap::new();
        for name in sent {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_static("x"));
        }
        let found = stripper.find(&headers);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn h1_every_alias_of_our_names_is_stripped() {
        for name in [
            "X-Chat-UserSig",
            "x_chat_usersig",
            "X_Chat-UserSig",
            "X-Chat-UserSig_",
            "_X-Chat-UserSig",
            "X.Chat.UserSig",
            "x-chat-userid",
            "X_CHAT_SDKAPPID",
            "X_Other_UserID",
        ] {
            assert_eq!(stripped(&[name]), [name.to_lowercase()], "{name}");
        }
    }

    #[test]
    fn h1_names_that_only_resemble_ours_stay() {
        let others = [
            "X-Chat-UserSignature",
            "X-Chat-User-Sig",
            "Chat-UserSig",
            "X-Chat",
            "Authorization",
            "X-Session",
        ];
        assert!(stripped(&others).is_empty());
    }

    #[test]
    fn h11_another_spelling_of_a_token_header_is_stripped() {
        for name in ["X_Session", "_x_session", "X.Session"] {
            assert_eq!(
                stripped(&[name, "X-Session"]),
                [name.to_lowercase()],
                "{name}"
            );
        }
        assert!(stripped(&["X-Session", "X-Sessions", "X-Session-Id"]).is_empty());
    }

    #[test]
    fn h2_a_name_sent_twice_is_stripped_as_a_whole() {
        let sent = ["X-Chat-UserID", "x-chat-userid", "Accept"];
        assert_eq!(stripped(&sent), ["x-chat-userid"]);
    }

    #[test]
    fn h9_forwarding_headers_are_stripped() {
        for name in [
            "Forwarded",
            "X-Forwarded-For",
            "X_Forwarded_Proto",
            "X-Forwarded-Host",
            "X-Forwarded-Prefix",
            "X-Real-IP",
            "X-Original-URL",
            "X_Rewrite_URL",
        ] {
            assert_eq!(stripped(&[name]), [name.to_lowercase()], "{name}");
        }
        assert!(stripped(&["X-Forward", "From", "X-Request-Start"]).is_empty());
    }

    #[test]
    fn h3_only_what_nobody_decides_by_may_be_nominated() {
        let check = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.append(CONNECTION, HeaderValue::from_static("keep-alive"));
            headers.append(CONNECTION, HeaderValue::from_str(value).unwrap());
            stripper().check_nominations(&headers)
        };
        for name in [
            "Authorization",
            "close, cookie",
            "origin",
            "HOST",
            "content-length",
            "Content_Type",
            "Access-Control-Request-Method",
            "x-session",
            "X_Session",
            "x-chat-userid",
            "_x_chat_usersig",
            "x-request-id",
            "x-real-ip",
            "x-hop ,\tauthorization",
        ] {
            assert_eq!(check(name), Err(Rejection::RequestInvalid), "{name}");
        }
        for name in [
            "",
            "close",
            "Upgrade, HTTP2-Settings",
            "TE, Trailer, Transfer-Encoding",
            "x-hop, x-session-id",
            "contents",
            "access-control",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }
}
