//! Pages that the program serves itself: one file each, whose style and script stand in it, and nothing of elsewhere.
//!
//! The policy of an answer names that style and that script by digest, so that nothing else of the page can run, and has the
//! browser refuse text that a script makes markup of. Pure: it knows neither sockets nor what a page shows.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response};
use sha2::{Digest, Sha256};

/// An HTML page with its policy.
#[derive(Clone, Debug)]
pub struct Page {
    html: &'static str,
    policy: HeaderValue,
}

impl Page {
    /// The page of this file. What stands in its `style` and `script` elements is what its policy allows.
    pub fn new(html: &'static str) -> Self {
        let (script, style) = (digests(html, "script"), digests(html, "style"));
        let policy = format!(
            "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
             trusted-types 'none'"
        );
        Self {
            html,
            // Digests and words: what is written here is always a header's value.
            policy: HeaderValue::try_from(policy)
                .unwrap_or(HeaderValue::from_static("default-src 'none'")),
        }
    }

    /// The answer that brings the page, not to be kept.
    pub fn answer(&self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from_static(self.html.as_bytes()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(self.html.len()));
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        for (name, value) in FIXED {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// The sources of a policy for what stands in all elements of this name.
fn digests(html: &str, element: &str) -> String {
    let (start, end) = (format!("<{element}>"), format!("</{element}>"));
    let texts = html.split(&start).skip(1);
    let texts = texts.filter_map(|rest| rest.split_once(&end).map(|(text, _)| text));
    let sources: Vec<_> = texts
        .map(|text| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text))))
        .collect();
    match sources.is_empty() {
        true => "'none'".to_owned(),
        false => sources.join(" "),
    }
}

const FIXED: [(HeaderName, &str); 5] = [
    (CONTENT_TYPE, "text/html; charset=utf-8"),
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_pages_own_style_and_script_alone() {
        let page = Page::new("<style>a{}</style><p>x</p><script>f()</script>");
        let policy = policy_of(&page);
        // printf 'f()' | openssl dgst -sha256 -binary | base64, and the same of a{}.
        for source in [
            "script-src 'sha256-GcEEE0IkDzIP5EQ6DXZaDPORqT5RTBELX8Fyzyg9yvo=';",
            "style-src 'sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk=';",
        ] {
            assert!(policy.contains(source), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
    }

    #[test]
    fn a_page_without_a_script_may_run_none() {
        let policy = policy_of(&Page::new("<p>x</p>"));
        assert!(policy.contains("script-src 'none';"), "{policy}");
        assert!(policy.contains("style-src 'none';"), "{policy}");
    }

    #[test]
    fn an_answer_says_its_length_and_is_not_kept() {
        let answer = Page::new("<p>x</p>").answer();
        assert_eq!(answer.headers()["content-length"], "8");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert_eq!(answer.body(), "<p>x</p>");
    }

    fn policy_of(page: &Page) -> String {
        let answer = page.answer();
        let policy = &answer.headers()["content-security-policy"];
        policy.to_str().unwrap().to_owned()
    }
}
