//! Cross-origin rules for what the proxy itself answers. The app's own answers carry the app's own rules.

use std::collections::HashSet;

use http::header::{HeaderMap, HeaderValue, ORIGIN};

use super::UserSigProxy;
use super::context::RequestContext;

/// The origins whose scripts may read our endpoint and our refusals.
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins(HashSet<String>);

impl UserSigProxy {
    /// The origins that may read our own answer to a request.
    pub(super) fn origins<'a>(&'a self, ctx: &'a RequestContext) -> &'a AllowedOrigins {
        let site = ctx.site.as_ref();
        site.map_or(&self.no_origins, |site| &site.settings.origins)
    }
}

impl AllowedOrigins {
    /// Takes serialized origins as browsers send them: `https://app.example.com`, no path, no wildcard.
    pub fn new(origins: impl IntoIterator<Item = String>) -> Self {
        Self(origins.into_iter().collect())
    }

    /// The request's own origin, if it is one of these.
    pub(super) fn find(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut sent = headers.get_all(ORIGIN).iter();
        let origin = sent.next().filter(|_| sent.next().is_none())?;
        let listed = origin.to_str().is_ok_and(|text| self.0.contains(text));
        listed.then(|| origin.clone())
    }

    /// Whether answers depend on the origin at all.
    pub(super) fn is_empty(&self) -> bool {
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
