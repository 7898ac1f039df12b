//! Names of request headers as an app may read them, and the ones that a client may not send.
//!
//! CGI-style servers turn `-` and other characters into `_`, so `X_Chat_UserSig` and `_X-Chat.UserSig` reach the app under
//! the name of `X-Chat-UserSig`. Names are compared in the one spelling that all of these fold into. `proxy` strips by
//! it; `config` refuses a token header that would never arrive.

/// A name in the one spelling of all that a server might take for it: `_X_Chat.UserSig` is `x-chat-usersig`.
pub fn fold(name: &str) -> String {
    folded(name).collect()
}

/// Whether an app may take one name for the other.
pub fn is_alias(one: &str, other: &str) -> bool {
    folded(one).eq(folded(other))
}

/// Whether a header tells an app where a request came from, by whom it was passed on, or which other host or path it is
/// for. Nobody before the proxy is trusted to say so, because these are not what was judged.
pub fn is_forwarding(name: &str) -> bool {
    let listed = FORWARDING.iter().any(|listed| is_alias(name, listed));
    listed || fold(name).starts_with("x-forwarded-")
}

/// Whether a client may not send a header: it claims another origin or path, or is an alias of one of `ours` or of the
/// request id that the proxy sets.
pub fn is_stripped(name: &str, ours: &[&str]) -> bool {
    let is_ours = |ours: &&str| is_alias(name, ours);
    is_alias(name, REQUEST_ID) || ours.iter().any(is_ours) || is_forwarding(name)
}

fn folded(name: &str) -> impl Iterator<Item = char> + '_ {
    let is_separator = |character: char| !character.is_ascii_alphanumeric();
    let fold = move |character| match is_separator(character) {
        true => '-',
        false => character.to_ascii_lowercase(),
    };
    name.trim_matches(is_separator).chars().map(fold)
}

const REQUEST_ID: &str = "x-request-id";

const FORWARDING: &[&str] = &[
    // Who the client is.
    "forwarded",
    "x-forwarded",
    "x-original-forwarded-for",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-remote-ip",
    "x-remote-addr",
    "client-ip",
    "true-client-ip",
    "proxy-client-ip",
    "wl-proxy-client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-pseudo-ipv4",
    "fastly-client-ip",
    "fly-client-ip",
    "x-appengine-user-ip",
    "x-azure-clientip",
    "x-envoy-external-address",
    // Which host or path is served instead of the one that was judged.
    "x-original-host",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
    "x-host",
];

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &[&str] = &["X-Chat-UserID", "x-chat-usersig", "x-chat-sdkappid"];

    #[test]
    fn h1_every_spelling_folds_into_one() {
        for name in ["X-Chat-UserSig", "x_chat_usersig", "_X.Chat~UserSig_"] {
            assert_eq!(fold(name), "x-chat-usersig", "{name}");
            assert!(is_alias(name, "x-chat-usersig") && is_alias("X_CHAT_USERSIG", name));
        }
        assert!(!is_alias("x-chat-user-sig", "x-chat-usersig"));
        assert!(!is_alias("", "x-chat-usersig"));
    }

    #[test]
    fn h1_h9_what_only_the_proxy_may_say_is_stripped() {
        for name in [
            "x_chat_userid",
            "_X-Chat-UserSig",
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
            assert!(is_stripped(name, OURS), "{name}");
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
            assert!(!is_stripped(name, OURS), "{name}");
        }
    }
}
