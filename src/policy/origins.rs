//! The browser origins beside the proxy's own.

use std::collections::BTreeSet;

use http::header::{HeaderMap, HeaderValue, ORIGIN};

/// The origins whose scripts may read our endpoint and our refusals, and renew a UserSig with a cookie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedOrigins(BTreeSet<String>);

impl AllowedOrigins {
    /// Takes serialized origins as browsers send them: `https://app.example.com`, no path, no wildcard.
    pub fn new(origins: impl IntoIterator<Item = String>) -> Self {
        Self(origins.into_iter().collect())
    }

    /// The request's own origin, if it is one of these.
    pub fn find(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut sent = headers.get_all(ORIGIN).iter();
        let origin = sent.next().filter(|_| sent.next().is_none())?;
        let listed = origin.to_str().is_ok_and(|text| self.0.contains(text));
        listed.then(|| origin.clone())
    }

    /// Whether answers depend on the origin at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_single_listed_origin_is_found() {
        let origins = AllowedOrigins::new(["https://app.example.com".to_owned()]);
        let find = |sent: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for origin in sent {
                headers.append(ORIGIN, HeaderValue::from_static(origin));
            }
            origins.find(&headers).is_some()
        };
        assert!(find(&["https://app.example.com"]));
        for sent in [
            &[][..],
            &["null"],
            &["http://app.example.com"],
            &["https://app.example.com.evil.example"],
            &["https://APP.example.com"],
            &["https://app.example.com", "https://app.example.com"],
        ] {
            assert!(!find(sent), "{sent:?}");
        }
    }
}
