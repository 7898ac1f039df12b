//! One bounded GET: a document from a key URL, or the fact why there is none.
//!
//! Every fetch opens a connection of its own, so the address of each is judged. No redirect is followed, no proxy of the
//! environment used, no encoding accepted; the body is counted while it arrives and everything has a time limit. The
//! content type decides nothing: what the bytes are is found by parsing them.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use reqwest::{Client, ClientBuilder, Response, redirect, retry};

use super::discovery::DiscoveryError;
use super::resolve::{GuardedResolver, Lookup, SystemLookup};
use super::settings::{SettingsError, SourceSettings, Timeouts};
use crate::token::keys::KeyError;
use crate::token::keys::address::{AddressRule, RefusedAddress};
use crate::token::keys::location::KeyUrl;

/// What answers a GET; the network, or a script in a test.
pub(super) trait Fetch: Send + Sync + 'static {
    /// The document behind `url`.
    fn get(&self, url: &KeyUrl) -> impl Future<Output = Result<Document, Failure>> + Send;
}

/// A document as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) body: Vec<u8>,
    /// For how long its server calls it fresh (`Cache-Control`), if it says so.
    pub(super) max_age: Option<Duration>,
}

/// A fetch that failed, with the pause that the server asked for.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) error: FetchError,
    pub(super) retry_after: Option<Duration>,
}

impl<E: Into<FetchError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            retry_after: None,
        }
    }
}

/// Why there is no new key set.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL leads to an address that keys are not fetched from.
    #[error("the key URL leads to an address that is not allowed: {0}")]
    Address(#[from] RefusedAddress),
    /// The host name did not resolve.
    #[error("the host name does not resolve: {0}")]
    Resolve(Cause),
    /// No connection, or no TLS session: the certificate may not be trusted or may name another host.
    #[error("no connection: {0}")]
    Connect(Cause),
    /// A time limit passed: for connecting, for one read, or for the whole fetch.
    #[error("the key server is too slow")]
    Timeout,
    /// The server points elsewhere; whoever controls the redirect would choose the keys.
    #[error("the key server redirects (status {}), which is not followed; configure the final URL", .0.as_u16())]
    Redirect(StatusCode),
    /// A status other than 200.
    #[error("the key server answered with status {}", .0.as_u16())]
    Status(StatusCode),
    /// The body is longer than [`MAX_DOCUMENT_BYTES`].
    #[error("the document is longer than {MAX_DOCUMENT_BYTES} bytes")]
    TooLarge,
    /// The body is encoded (gzip and the like), though none was asked for.
    #[error("the document has a Content-Encoding, though none was asked for")]
    Encoded,
    /// The answer broke off or is not HTTP.
    #[error("the answer broke off: {0}")]
    Broken(Cause),
    /// The discovery document does not lead to a key set.
    #[error("the discovery document {0}")]
    Discovery(#[from] DiscoveryError),
    /// The document is no key set with a usable key.
    #[error("{0}")]
    Keys(#[from] KeyError),
}

impl FetchError {
    /// Every value of [`reason`](Self::reason), for counters that exist from the start.
    pub const REASONS: [&'static str; 11] = [
        "address_refused",
        "resolve",
        "connect",
        "timeout",
        "redirect",
        "status",
        "too_large",
        "encoded",
        "broken",
        "discovery",
        "key_set",
    ];

    /// The name of the fact in logs and metrics, in snake case.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Address(_) => "address_refused",
            Self::Resolve(_) => "resolve",
            Self::Connect(_) => "connect",
            Self::Timeout => "timeout",
            Self::Redirect(_) => "redirect",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
            Self::Encoded => "encoded",
            Self::Broken(_) => "broken",
            Self::Discovery(_) => "discovery",
            Self::Keys(_) => "key_set",
        }
    }
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        if let Some(refused) = find_cause::<RefusedAddress>(&error) {
            return Self::Address(*refused);
        }
        let (dns, timeout, connect) = (error.is_dns(), error.is_timeout(), error.is_connect());
        let cause = Cause(Arc::new(error.without_url()));
        match (timeout, dns, connect) {
            (true, ..) => Self::Timeout,
            (_, true, _) => Self::Resolve(cause),
            (_, _, true) => Self::Connect(cause),
            _ => Self::Broken(cause),
        }
    }
}

/// What the network layers said, each after the one that it caused; without the URL.
#[derive(Clone, Debug)]
pub struct Cause(Arc<reqwest::Error>);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        causes(&*self.0)
            .skip(1)
            .try_for_each(|cause| write!(f, ": {cause}"))
    }
}

type DynError = dyn Error + 'static;

fn causes(error: &DynError) -> impl Iterator<Item = &DynError> {
    std::iter::successors(Some(error), |error| (*error).source())
}

fn find_cause<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// Fetches over HTTP/1.1 under the rules of one issuer.
pub(super) struct HttpFetcher {
    client: Client,
    rule: AddressRule,
}

impl HttpFetcher {
    pub(super) fn new(settings: &SourceSettings) -> Result<Self, SettingsError> {
        Self::with_lookup(settings, Arc::new(SystemLookup))
    }

    pub(super) fn with_lookup(
        settings: &SourceSettings,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, SettingsError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(SettingsError::NoCryptoProvider);
        }
        let rule = AddressRule {
            allow_private: settings.allow_private,
        };
        rule.check_literal(settings.location.first_url())?;
        let resolver = GuardedResolver { rule, lookup };
        let client = bounded(settings.timeouts).dns_resolver(resolver);
        let extra = settings.roots.certificates().to_vec();
        // Plain http reaches this machine only and must work where no trust roots are installed.
        let client = if settings.location.first_url().is_https() {
            client.tls_certs_merge(extra)
        } else {
            client.tls_certs_only(extra)
        };
        let client = client.build().map_err(|_| SettingsError::TrustRoots)?;
        Ok(Self { client, rule })
    }

    async fn fetch(&self, url: &KeyUrl) -> Result<Document, Failure> {
        self.rule.check_literal(url)?;
        let request = self
            .client
            .get(url.as_str())
            .header(ACCEPT, "application/json, application/jwk-set+json")
            .header(ACCEPT_ENCODING, "identity");
        let response = request.send().await?;
        check_head(&response)?;
        Ok(Document {
            max_age: max_age(response.headers()),
            body: read_body(response).await?,
        })
    }
}

impl Fetch for HttpFetcher {
    fn get(&self, url: &KeyUrl) -> impl Future<Output = Result<Document, Failure>> + Send {
        self.fetch(url)
    }
}

fn bounded(timeouts: Timeouts) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("usersig-proxy/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(timeouts.connect)
        .read_timeout(timeouts.read)
        .timeout(timeouts.total)
        .pool_max_idle_per_host(0)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .no_proxy()
        .http1_only()
}

fn check_head(response: &Response) -> Result<(), Failure> {
    let status = response.status();
    if status.is_redirection() {
        return Err(FetchError::Redirect(status).into());
    }
    if status != StatusCode::OK {
        return Err(Failure {
            error: FetchError::Status(status),
            retry_after: retry_after(response.headers(), SystemTime::now()),
        });
    }
    let encodings = response.headers().get_all(CONTENT_ENCODING);
    if encodings.iter().any(|encoding| encoding != "identity") {
        return Err(FetchError::Encoded.into());
    }
    Ok(())
}

async fn read_body(mut response: Response) -> Result<Vec<u8>, FetchError> {
    let announced = response.content_length().unwrap_or_default();
    if announced > MAX_DOCUMENT_BYTES as u64 {
        return Err(FetchError::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_DOCUMENT_BYTES {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// `max-age` of RFC 9111 section 5.2.2; `no-store` and `no-cache` are zero.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let directives = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|directive| directive.trim().to_ascii_lowercase());
    directives
        .filter_map(|directive| match directive.as_str() {
            "no-store" | "no-cache" => Some(Duration::ZERO),
            other => seconds(other.strip_prefix("max-age=")?.trim_matches('"')),
        })
        .min()
}

/// The pause of RFC 9110 section 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    seconds(value).or_else(|| {
        let date = httpdate::parse_http_date(value).ok()?;
        date.duration_since(now).ok()
    })
}

fn seconds(digits: &str) -> Option<Duration> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(digits.parse().unwrap_or(u64::MAX)))
}

/// The longest document that is read; a key set of 64 large RSA keys has less than half of it.
pub const MAX_DOCUMENT_BYTES: usize = 512 * 1024;

#[cfg(test)]
mod tests;
