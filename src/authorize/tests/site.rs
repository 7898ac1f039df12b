//! The site that the walk is tested on: two issuers, a route of every kind, and words for requests and tokens.

use http::{HeaderName, HeaderValue};
use jsonwebtoken::EncodingKey;
use serde_json::json;

use super::super::explain::{Evidence, Explanation};
use super::super::*;
use super::verdict;
use crate::identity::{ReservedNames, SubjectType, Transform};
use crate::policy::{Access, Fallback, HostName, Matching, Methods, Pattern, Route};
use crate::secret::SecretBytes;
use crate::state::Limits;
use crate::token::extract::TokenSource;
use crate::token::keys::{KeySet, ShortSecret};
use crate::token::verify::{Fractions, TokenIssuer};
use crate::usersig::{Lifetime, SecretKey};

pub(super) struct Request {
    method: Method,
    host: Option<String>,
    target: String,
    headers: HeaderMap,
    websocket: bool,
    has_body: bool,
}

pub(super) fn get(target: &str) -> Request {
    send("GET", target)
}

pub(super) fn send(method: &str, target: &str) -> Request {
    Request {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        host: Some("a.example".to_owned()),
        target: target.to_owned(),
        headers: HeaderMap::new(),
        websocket: false,
        has_body: false,
    }
}

pub(super) fn preflight(target: &str, method: &'static str) -> Request {
    let request = send("OPTIONS", target).header("origin", ORIGIN);
    request.header("access-control-request-method", method)
}

impl Request {
    pub(super) fn header(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        let value = HeaderValue::from_str(value.as_ref()).unwrap();
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    pub(super) fn bearer(self, token: impl AsRef<str>) -> Self {
        self.header("authorization", format!("Bearer {}", token.as_ref()))
    }

    pub(super) fn cookie(self, token: impl AsRef<str>) -> Self {
        self.header("cookie", format!("session={}", token.as_ref()))
    }

    pub(super) fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    pub(super) fn no_host(mut self) -> Self {
        self.host = None;
        self
    }

    pub(super) fn websocket(mut self) -> Self {
        self.websocket = true;
        self
    }

    pub(super) fn body(mut self) -> Self {
        self.has_body = true;
        self
    }

    pub(super) fn ask(&self, site: &Authorizer, now: UnixTime) -> Result<Permit, Refusal> {
        site.authorize(&self.parts(), now)
    }

    /// The same without a UserSig, and why.
    pub(super) fn explain<'s>(&self, site: &'s Authorizer, now: UnixTime) -> Explanation<'s> {
        site.explain(&self.parts(), Evidence::Token, now)
    }

    /// The same with these claims in place of what the token proves.
    pub(super) fn presume<'s>(
        &self,
        site: &'s Authorizer,
        claims: serde_json::Value,
    ) -> Explanation<'s> {
        let claims = claims.as_object().unwrap().clone();
        site.explain(&self.parts(), Evidence::Presumed(claims), NOW)
    }

    fn parts(&self) -> Parts<'_> {
        let (path, query) = match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.target.as_str(), None),
        };
        Parts {
            method: &self.method,
            host: self.host.as_deref(),
            path: path.as_bytes(),
            query,
            headers: &self.headers,
            websocket: self.websocket,
            has_body: self.has_body,
        }
    }

    pub(super) fn judge(&self, site: &Authorizer, now: UnixTime) -> String {
        let decision = self.ask(site, now);
        // A renewal is not made twice.
        if self.method != Method::POST {
            assert_same(&self.explain(site, now), &decision);
        }
        verdict(&decision)
    }

    pub(super) fn login(&self, site: &Authorizer) -> Login {
        self.login_at(site, NOW)
    }

    pub(super) fn login_at(&self, site: &Authorizer, now: UnixTime) -> Login {
        match self.ask(site, now).unwrap().caller {
            Caller::User(User {
                login: Some(login), ..
            }) => login,
            other => panic!("no login: {other:?}"),
        }
    }
}

/// An explanation comes to the same end as the decision.
fn assert_same(found: &Explanation<'_>, decision: &Result<Permit, Refusal>) {
    assert_eq!(found.refusal.as_ref(), decision.as_ref().err());
    let Ok(permit) = decision else {
        return;
    };
    let way = found.way.as_ref().unwrap();
    assert_eq!((&way.route, way.target), (&permit.route, permit.target));
    let (user_id, is_handed_out) = match &permit.caller {
        Caller::Anonymous => (None, false),
        Caller::User(user) => (Some(user.user_id), user.login.is_some()),
    };
    assert_eq!(found.user_id, user_id);
    assert_eq!(found.prospect.is_some(), is_handed_out);
    assert_eq!(found.rest_call.is_some(), permit.rest_call.is_some());
}

/// A site with two issuers and a route of every kind, changed as the test wants it.
pub(super) fn site(change: impl FnOnce(&mut Settings)) -> Authorizer {
    let state = State::in_memory(Limits::default());
    Authorizer::new(settings(change), Arc::new(state))
}

/// What [`site`] is made of.
pub(super) fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut routes = strict_routes();
    routes.push(route("/secret", &[], Access::Deny, Inject::default()));
    let mut settings = Settings {
        routes: table(routes, Access::Deny),
        tolerance: Tolerance::default(),
        preflight: Preflight::Forward,
        endpoint: Some(canonical("/_chat/usersig")),
        rest_api: None,
        webhooks: None,
        sources: sources(),
        verifier: Verifier::new(
            vec![
                token_issuer("a", ISSUER_A, SECRET_A),
                token_issuer("b", ISSUER_B, SECRET_B),
            ],
            Duration::from_secs(LEEWAY),
            Duration::from_secs(86_400),
        )
        .unwrap(),
        claim_rules: vec![
            claim_rules("a_", &[]),
            claim_rules("b_", &[("/type", "access")]),
        ],
        issuer: issuer_with("the", LIFETIME),
        min_remaining: MIN_REMAINING,
        cap_to_session: false,
        origins: AllowedOrigins::default(),
        // Room for all in whichever shard they meet.
        cache_capacity: NonZeroUsize::new(6400).unwrap(),
        profile: None,
        token_memory: 1 << 20,
    };
    change(&mut settings);
    settings
}

/// Signs UserSigs with the key of this name.
pub(super) fn issuer_with(key: &str, lifetime: Duration) -> Issuer {
    let key = format!("{key}-key-of-nobody-and-of-no-app-at-all");
    Issuer::new(
        SdkAppId::new(1_400_000_000).unwrap(),
        SecretKey::parse(&key).unwrap(),
        Lifetime::new(lifetime).unwrap(),
    )
}

/// Lets every spelling through, and a catch-all route instead of any that denies, so that a leak would show.
pub(super) fn allow_all_spellings(settings: &mut Settings) {
    settings.tolerance = Tolerance {
        encoded_slash: true,
        semicolon: true,
        double_slash: true,
    };
    let mut routes = strict_routes();
    routes.push(route("/{*rest}", &[], Access::Session, Inject::default()));
    settings.routes = table(routes, Access::Public);
}

pub(super) fn strict_routes() -> Vec<Route> {
    let into_request = Inject {
        request_headers: true,
        ..Inject::default()
    };
    let into_response = Inject {
        response_headers: true,
        response_cookie: true,
        ..Inject::default()
    };
    let nothing = Inject::default();
    vec![
        route("/public", &["GET"], Access::Public, into_request),
        route("/pages/{*rest}", &[], Access::Public, nothing),
        route("/me", &["GET", "POST"], Access::Session, into_request),
        route("/plain", &["GET"], Access::Session, nothing),
        route("/out", &["GET"], Access::Session, into_response),
        route("/feed", &["GET"], Access::Optional, into_request),
        route("/any/{*rest}", &[], Access::Session, into_request),
        Route {
            upstream: 1,
            ..route("/two", &["GET"], Access::Session, nothing)
        },
        Route {
            name: "b.example/host-only".into(),
            host: Some(HostName::parse("b.example").unwrap()),
            ..route("/host-only", &["GET"], Access::Session, nothing)
        },
    ]
}

pub(super) fn route(pattern: &str, methods: &[&str], access: Access, inject: Inject) -> Route {
    let methods = match methods {
        [] => Methods::Any,
        listed => Methods::parse(listed).unwrap(),
    };
    Route {
        name: pattern.into(),
        host: None,
        pattern: Pattern::parse(pattern).unwrap(),
        methods,
        access,
        inject,
        answer: None,
        upstream: 0,
    }
}

pub(super) fn table(routes: Vec<Route>, access: Access) -> RouteTable {
    let fallback = Fallback {
        access,
        upstream: 0,
    };
    RouteTable::build(routes, fallback, Matching::default()).unwrap()
}

pub(super) fn sources() -> TokenSources {
    TokenSources::new(vec![
        TokenSource::Header {
            name: http::header::AUTHORIZATION,
            scheme: Some("Bearer".to_owned()),
        },
        TokenSource::Cookie {
            name: "session".to_owned(),
        },
        TokenSource::Query {
            name: "token".to_owned(),
        },
    ])
    .unwrap()
}

pub(super) fn token_issuer(name: &str, issuer: &str, secret: &str) -> TokenIssuer {
    let secret = SecretBytes::new(secret.as_bytes().to_vec());
    TokenIssuer {
        name: name.to_owned(),
        issuer: Some(issuer.to_owned()),
        audience: Vec::new(),
        algorithms: vec![Algorithm::Hs256],
        keys: KeySet::from_secret(&secret, &[Algorithm::Hs256], ShortSecret::Refuse).unwrap(),
        fractions: Fractions::Refuse,
    }
}

pub(super) fn claim_rules(prefix: &str, require: &[(&str, &str)]) -> ClaimRules {
    let pointer = |text| JsonPointer::parse(text).unwrap();
    let required = require
        .iter()
        .map(|(claim, value)| (pointer(claim), json!(value)));
    ClaimRules {
        require: required.collect(),
        identity: IdentityMap::new(
            pointer("/sub"),
            SubjectType::Text,
            vec![Transform::Prefix(prefix.to_owned())],
            Arc::new(ReservedNames::new(["administrator", "b_root"])),
        ),
    }
}

pub(super) fn canonical(path: &str) -> CanonicalPath {
    CanonicalPath::parse(path.as_bytes(), Tolerance::default()).unwrap()
}

/// A good token of issuer a.
pub(super) fn a(subject: &str) -> String {
    sign(SECRET_A, &claims(ISSUER_A, subject))
}

/// A token of issuer b, which requires the type "access".
pub(super) fn b(subject: &str, token_type: &str) -> String {
    typed(SECRET_B, ISSUER_B, subject, token_type)
}

pub(super) fn typed(secret: &str, issuer: &str, subject: &str, token_type: &str) -> String {
    let mut claims = claims(issuer, subject);
    claims["type"] = json!(token_type);
    sign(secret, &claims)
}

pub(super) fn expired() -> String {
    sign(
        SECRET_A,
        &json!({"iss": ISSUER_A, "sub": "42", "exp": EARLIER}),
    )
}

/// Issuer a's token for one user with the claims of another.
pub(super) fn tampered() -> String {
    let (theirs, ours) = (a("43"), a("42"));
    let claims = theirs.split('.').nth(1).unwrap();
    let mut parts: Vec<_> = ours.split('.').collect();
    parts[1] = claims;
    parts.join(".")
}

/// The same token, signed by nobody known.
pub(super) fn resigned(token: &str) -> String {
    let (signed, _) = token.rsplit_once('.').unwrap();
    let other = sign("a secret that no issuer here has, of 32 bytes", &json!({}));
    let (_, signature) = other.rsplit_once('.').unwrap();
    format!("{signed}.{signature}")
}

/// A good token of issuer a that expires in so many seconds.
pub(super) fn a_for(subject: &str, seconds: u64) -> String {
    let mut claims = claims(ISSUER_A, subject);
    claims["exp"] = json!(NOW.as_secs() + seconds);
    sign(SECRET_A, &claims)
}

pub(super) fn claims(issuer: &str, subject: &str) -> Value {
    json!({"iss": issuer, "sub": subject, "exp": LATER})
}

/// Signs with another library than the one that verifies.
pub(super) fn sign(secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
}

pub(super) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
pub(super) const LATER: u64 = NOW.as_secs() + 600;
pub(super) const EARLIER: u64 = NOW.as_secs() - 600;
pub(super) const LEEWAY: u64 = 30;
pub(super) const LIFETIME: Duration = Duration::from_secs(7 * 86_400);
pub(super) const MIN_REMAINING: Duration = Duration::from_secs(86_400);
pub(super) const ORIGIN: &str = "https://a.example";
pub(super) const ISSUER_A: &str = "https://a.example";
pub(super) const ISSUER_B: &str = "https://b.example";
pub(super) const SECRET_A: &str = "issuer a's secret of the tests, long enough";
pub(super) const SECRET_B: &str = "issuer b's secret of the tests, long enough";
pub(super) const LONGEST: &str = "123456789012345678901234567890";
pub(super) const LONGEST_BUT_ONE: &str = "1234567890123456789012345678901";
