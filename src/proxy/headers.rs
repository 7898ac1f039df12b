//! Headers that only the proxy may set: stripped from every request, in every spelling that an app could read as them.
//!
//! CGI-style servers turn `-` and other characters into `_`, so `X_Chat_UserSig` and `X-Chat.UserSig` reach the app under
//! the name of our `X-Chat-UserSig`. Whatever folds to one of our names is removed.

use http::header::{HeaderMap, HeaderName};

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

/// Decides which request headers a client may not send.
pub(super) struct Stripper {
    folded: [String; 3],
}

impl Stripper {
    pub(super) fn new(names: &InjectedNames) -> Self {
        let folded =
            [&names.user_id, &names.user_sig, &names.sdk_app_id].map(|name| fold(name.as_str()));
        Self { folded }
    }

    /// The names in `headers` that must go, each once.
    pub(super) fn find(&self, headers: &HeaderMap) -> Vec<HeaderName> {
        headers
            .keys()
            .filter(|name| self.is_reserved(name.as_str()))
            .cloned()
            .collect()
    }

    fn is_reserved(&self, name: &str) -> bool {
        let ours = self
            .folded
            .iter()
            .any(|reserved| name.len() >= reserved.len() && fold(name) == *reserved);
        ours || is_forwarding(name)
    }
}

/// What tells an app where a request came from, or which path it should serve instead of the one that was judged.
/// Nobody before the proxy is trusted to say so.
fn is_forwarding(name: &str) -> bool {
    if !name.starts_with(['x', 'f']) {
        return false;
    }
    let folded = fold(name);
    FORWARDING.contains(&folded.as_str()) || folded.starts_with("x-forwarded-")
}

/// One spelling for all that a server might take for the same name. Header names come in lower case.
fn fold(name: &str) -> String {
    let dashed: String = name
        .chars()
        .map(|character| match character.is_ascii_alphanumeric() {
            true => character.to_ascii_lowercase(),
            false => '-',
        })
        .collect();
    dashed.trim_matches('-').to_owned()
}

/// The last two replace the path in IIS modules and in the frameworks that copied them.
const FORWARDING: [&str; 4] = ["forwarded", "x-real-ip", "x-original-url", "x-rewrite-url"];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn stripped(sent: &[&str]) -> Vec<String> {
        let stripper = Stripper::new(&InjectedNames {
            user_id: HeaderName::from_static("x-chat-userid"),
            user_sig: HeaderName::from_static("x-chat-usersig"),
            sdk_app_id: HeaderName::from_static("x-chat-sdkappid"),
            cookie: "chat_usersig".into(),
        });
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
        ];
        assert!(stripped(&others).is_empty());
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
}
