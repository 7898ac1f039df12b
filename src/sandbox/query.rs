//! The query of a REST call, where Chat expects the credentials.

use url::form_urlencoded;

/// The parameters that count, each as it stood first, percent-decoded.
pub(super) struct Query {
    pub(super) sdk_app_id: Option<String>,
    pub(super) identifier: Option<String>,
    pub(super) user_sig: Option<String>,
    /// The names of all parameters, in their order.
    pub(super) names: Vec<String>,
}

impl Query {
    /// Takes the query apart.
    pub(super) fn parse(text: &str) -> Self {
        let pairs: Vec<_> = form_urlencoded::parse(text.as_bytes()).collect();
        let first = |name: &str| {
            let found = pairs.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.to_string())
        };
        let names = pairs.iter().map(|(name, _)| name.to_string());
        let mut query = Self {
            sdk_app_id: first("sdkappid"),
            identifier: first("identifier"),
            user_sig: first("usersig"),
            names: Vec::new(),
        };
        query.names = names.map(|name| query.without_user_sig(&name)).collect();
        query
    }

    /// The same text with a mark in the place of this query's UserSig.
    pub(super) fn without_user_sig(&self, text: &str) -> String {
        match self.user_sig.as_deref() {
            Some(user_sig) if user_sig.len() >= SHORTEST => text.replace(user_sig, "[UserSig]"),
            _ => text.to_owned(),
        }
    }
}

/// What is shorter is no UserSig, and would be replaced in the middle of words.
const SHORTEST: usize = 16;
