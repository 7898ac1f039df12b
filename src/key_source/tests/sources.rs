//! Whole sources through their public face.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::sync::oneshot;

use super::recorder::Recorder;
use super::server::{Answer, KeyServer};
use super::signer::{Signer, key_set};
use crate::key_source::*;
use crate::token::TokenError;
use crate::token::keys::Algorithm;
use crate::token::keys::location::Location;

/// A key source of one issuer that runs until it is dropped.
struct Running {
    source: Arc<KeySource>,
    recorder: Arc<Recorder>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start(settings: SourceSettings) -> Self {
        let recorder = Recorder::new();
        let source = new(settings, &recorder).unwrap();
        let source = Arc::new(source);
        let here = Arc::clone(&source);
        let task = tokio::spawn(async move { here.run(std::future::pending()).await });
        Self {
            source,
            recorder,
            task,
        }
    }

    async fn first_event(settings: SourceSettings) -> String {
        let running = Self::start(settings);
        running.recorder.event(1).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn new(settings: SourceSettings, recorder: &Arc<Recorder>) -> Result<KeySource, SettingsError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let observer = Arc::<Recorder>::clone(recorder);
    KeySource::new(vec![settings], observer).map_err(|mut errors| errors.remove(0).error)
}

fn jwks(url: &str) -> SourceSettings {
    let location = Location::jwks(url).unwrap();
    SourceSettings {
        // So that the tests run where the system trusts nobody.
        roots: TrustRoots::parse(&[der(OTHER_CA)]).unwrap(),
        ..SourceSettings::new(0, "app", location, vec![Algorithm::EdDsa])
    }
}

fn oidc(issuer: &str) -> SourceSettings {
    let location = Location::oidc(issuer).unwrap();
    SourceSettings::new(0, "app", location, vec![Algorithm::EdDsa])
}

#[tokio::test]
async fn k2_a_thousand_parallel_requests_at_cold_start_are_one_fetch() {
    let signer = Signer::new("a");
    let server = KeyServer::start(Answer::ok(key_set(&[&signer]))).await;
    let running = Running::start(jwks(&server.url()));
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let source = Arc::clone(&running.source);
        asking.spawn(async move { source.refresh_for_unknown_key(0, Some("a")).await });
    }
    let answers = asking.join_all().await;
    assert!(answers.iter().all(|answer| *answer == Refreshed::Fresh));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(running.recorder.verify(&signer), Ok(()));
    assert_eq!(running.source.status()[0].keys, 1);
}

#[tokio::test]
async fn k1_a_flood_of_unknown_keys_is_one_fetch_and_valid_users_wait_for_nothing() {
    let (signer, unknown) = (Signer::new("a"), Signer::new("b"));
    let server = KeyServer::start(Answer::ok(key_set(&[&signer]))).await;
    let running = Running::start(jwks(&server.url()));
    running.recorder.event(1).await;
    server.answer(Answer::Hang);
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..10_000 {
        let source = Arc::clone(&running.source);
        let id = number.to_string();
        asking.spawn(async move { source.refresh_for_unknown_key(0, Some(&id)).await });
    }
    while server.requests().len() < 2 {
        tokio::task::yield_now().await;
    }
    // The flood waits for a server that never answers; a known key needs no await at all.
    assert_eq!(running.recorder.verify(&signer), Ok(()));
    assert_eq!(
        running.recorder.verify(&unknown),
        Err(TokenError::KeyUnknown)
    );
    asking.shutdown().await;
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn k3_sets_that_are_none_are_refused_and_k4_leave_no_keys() {
    let (a, b) = (Signer::new("same"), Signer::new("same"));
    let html = Answer::full(200, &["Content-Type: application/json"], "<!doctype html>");
    for (name, answer, expected) in [
        (
            "good, with another content type",
            Answer::ok(key_set(&[&a])),
            "changed",
        ),
        ("HTML", html, "key_set"),
        ("empty set", Answer::ok(r#"{"keys":[]}"#), "key_set"),
        (
            "duplicate key id",
            Answer::ok(key_set(&[&a, &b])),
            "key_set",
        ),
        (
            "duplicate member",
            Answer::ok(r#"{"keys":[],"keys":[]}"#),
            "key_set",
        ),
        ("empty body", Answer::ok(""), "key_set"),
        (
            "503",
            Answer::full(503, &["Retry-After: 60"], key_set(&[&a])),
            "status",
        ),
        (
            "gzip",
            Answer::full(200, &["Content-Encoding: gzip"], key_set(&[&a])),
            "encoded",
        ),
    ] {
        let server = KeyServer::start(answer).await;
        let running = Running::start(jwks(&server.url()));
        assert_eq!(running.recorder.event(1).await, expected, "{name}");
        let published = usize::from(expected == "changed");
        assert_eq!(running.recorder.published(), published, "{name}");
        let verdict = running.recorder.verify(&a);
        let refused = Err(TokenError::KeysUnavailable);
        assert_eq!(
            verdict,
            if published == 1 { Ok(()) } else { refused },
            "{name}"
        );
    }
}

#[tokio::test]
async fn k5_a_rotation_is_seen_by_the_first_token_of_the_new_key() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let server = KeyServer::start(Answer::ok(key_set(&[&old]))).await;
    let running = Running::start(jwks(&server.url()));
    running.recorder.event(1).await;
    server.answer(Answer::ok(key_set(&[&new])));
    assert_eq!(running.recorder.verify(&new), Err(TokenError::KeyUnknown));
    let refreshed = running.source.refresh_for_unknown_key(0, new.id()).await;
    assert_eq!(refreshed, Refreshed::Fresh);
    assert_eq!(running.recorder.verify(&new), Ok(()));
    assert_eq!(running.recorder.verify(&old), Err(TokenError::KeyUnknown));
}

#[tokio::test]
async fn an_oidc_issuer_leads_to_its_own_key_set() {
    let signer = Signer::new("a");
    let server = KeyServer::start(Answer::ok(key_set(&[&signer]))).await;
    let (issuer, keys) = (server.base(), server.url());
    let answer = json!({ "issuer": issuer, "jwks_uri": keys }).to_string();
    server.answer_at("/.well-known/openid-configuration", Answer::ok(answer));
    let running = Running::start(oidc(&issuer));
    assert_eq!(running.recorder.event(1).await, "changed");
    assert_eq!(running.recorder.verify(&signer), Ok(()));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn k4_k6_a_discovery_document_that_leads_elsewhere_is_refused() {
    let server = KeyServer::start(Answer::ok(key_set(&[&Signer::new("a")]))).await;
    let (issuer, keys) = (server.base(), server.url());
    for (name, document) in [
        (
            "other issuer",
            json!({ "issuer": "https://evil.example", "jwks_uri": keys }),
        ),
        (
            "issuer with a slash",
            json!({ "issuer": format!("{issuer}/"), "jwks_uri": keys }),
        ),
        ("no issuer", json!({ "jwks_uri": keys })),
        (
            "issuer is a list",
            json!({ "issuer": [issuer], "jwks_uri": keys }),
        ),
        ("no jwks_uri", json!({ "issuer": issuer })),
        (
            "file",
            json!({ "issuer": issuer, "jwks_uri": "file:///etc/passwd" }),
        ),
        (
            "plain http elsewhere",
            json!({ "issuer": issuer, "jwks_uri": "http://app.example/" }),
        ),
        (
            "another machine",
            json!({ "issuer": issuer, "jwks_uri": "https://10.0.0.1/keys" }),
        ),
        ("no object", json!([])),
    ] {
        let path = "/.well-known/openid-configuration";
        server.answer_at(path, Answer::ok(document.to_string()));
        let before = server.requests().len();
        assert_eq!(
            Running::first_event(oidc(&issuer)).await,
            "discovery",
            "{name}"
        );
        assert_eq!(
            server.requests().len(),
            before + 1,
            "{name}: no key set is asked for"
        );
    }
}

#[test]
fn k6_a_remote_issuer_does_not_lead_to_this_machine() {
    let Location::Oidc(issuer) = Location::oidc("https://id.example").unwrap() else {
        panic!("an issuer");
    };
    let find = |url: &str| {
        let document = json!({ "issuer": "https://id.example", "jwks_uri": url }).to_string();
        crate::key_source::discovery::key_set_url(document.as_bytes(), &issuer)
    };
    for url in [
        "http://127.0.0.1/keys",
        "https://localhost/keys",
        "https://[::1]/keys",
    ] {
        assert_eq!(find(url), Err(DiscoveryError::OtherReach), "{url}");
    }
    assert!(find("https://keys.example/set?v=2").is_ok());
}

#[tokio::test]
async fn tls_needs_a_trusted_certificate_for_the_name() {
    let signer = Signer::new("a");
    let server = KeyServer::start_tls(Answer::ok(key_set(&[&signer])), tls_config()).await;
    let with_ca = |host: &str| SourceSettings {
        roots: TrustRoots::parse(&[der(CA)]).unwrap(),
        ..jwks(&format!("https://{host}:{}/keys", server.port()))
    };
    let without_ca = jwks(&format!("https://localhost:{}/keys", server.port()));
    assert_eq!(Running::first_event(with_ca("localhost")).await, "changed");
    for (name, settings) in [
        ("unknown CA", without_ca),
        ("certificate of another name", with_ca("127.0.0.1")),
    ] {
        let running = Running::start(settings);
        assert_eq!(running.recorder.event(1).await, "connect", "{name}");
        let error = running.source.status().remove(0).last_error.unwrap();
        assert!(error.to_string().contains("certificate"), "{name}: {error}");
    }
}

#[tokio::test]
async fn settings_that_contradict_themselves_are_refused() {
    let good = || jwks("https://app.example/keys");
    let change = |change: &dyn Fn(&mut SourceSettings)| {
        let mut settings = good();
        change(&mut settings);
        new(settings, &Recorder::new()).err()
    };
    assert_eq!(change(&|_| ()), None);
    assert_eq!(change(&|s| s.refresh = MIN_REFRESH), None);
    assert_eq!(change(&|s| s.max_age = Duration::MAX), None);
    let inside = Location::jwks("https://10.0.0.1/keys").unwrap();
    assert_eq!(
        change(&|s| (s.location, s.allow_private) = (inside.clone(), true)),
        None
    );
    let error = change(&|s| s.location = inside.clone()).unwrap();
    assert!(matches!(error, SettingsError::Address(_)), "{error}");
    for (error, problem) in [
        (
            change(&|s| s.algorithms.clear()),
            SettingsError::NoAlgorithm,
        ),
        (
            change(&|s| s.algorithms.push(Algorithm::Hs256)),
            SettingsError::SecretAlgorithm(Algorithm::Hs256),
        ),
        (
            change(&|s| s.refresh = MIN_REFRESH - Duration::from_nanos(1)),
            SettingsError::RefreshTooShort,
        ),
        (
            change(&|s| s.max_age = s.refresh - Duration::from_nanos(1)),
            SettingsError::MaxAgeBelowRefresh,
        ),
    ] {
        assert_eq!(error, Some(problem));
    }
}

#[test]
fn trust_roots_are_certificates() {
    assert!(TrustRoots::parse(&[der(CA), der(OTHER_CA)]).is_ok());
    for (name, ders) in [
        ("empty", vec![]),
        ("a key", vec![der(PRIVATE_KEY)]),
        (
            "a spoilt one behind a good one",
            vec![der(CA), der(OTHER_CA)[1..].to_vec()],
        ),
    ] {
        let error = TrustRoots::parse(&ders).err();
        assert_eq!(error, Some(SettingsError::NoCertificate), "{name}");
    }
}

#[tokio::test]
async fn every_source_that_cannot_be_set_up_is_reported() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let bad = |issuer| SourceSettings {
        issuer,
        algorithms: vec![],
        ..jwks("https://app.example/keys")
    };
    let settings = vec![bad(3), jwks("https://app.example/keys"), bad(5)];
    let errors = KeySource::new(settings, Recorder::new()).err().unwrap();
    let issuers: Vec<_> = errors.iter().map(|error| error.issuer).collect();
    assert_eq!(issuers, [3, 5]);
}

#[tokio::test]
async fn a_source_runs_until_it_is_told_to_stop() {
    let server = KeyServer::start(Answer::ok(key_set(&[&Signer::new("a")]))).await;
    let recorder = Recorder::new();
    let source = new(jwks(&server.url()), &recorder).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let run = source.run(async move { stopped.await.unwrap() });
    let told = async {
        recorder.event(1).await;
        stop.send(()).unwrap();
    };
    tokio::join!(run, told);
    assert_eq!(
        source.refresh_for_unknown_key(7, None).await,
        Refreshed::NotNow
    );
}

#[tokio::test]
async fn a_reload_publishes_the_known_keys_at_once() {
    let signer = Signer::new("a");
    let server = KeyServer::start(Answer::ok(key_set(&[&signer]))).await;
    let running = Running::start(jwks(&server.url()));
    running.recorder.event(1).await;
    let recorder = Recorder::new();
    let next = new(jwks(&server.url()), &recorder).unwrap();
    assert_eq!(recorder.verify(&signer), Err(TokenError::KeysUnavailable));
    next.inherit(&running.source);
    assert_eq!(recorder.verify(&signer), Ok(()));
    assert_eq!(server.requests().len(), 1);
}

fn tls_config() -> rustls::ServerConfig {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let chain = vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(PRIVATE_KEY).unwrap();
    rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

fn der(pem: &[u8]) -> Vec<u8> {
    pem::parse(pem).unwrap().into_contents()
}

const CA: &[u8] = include_bytes!("../../../tests/keys/key-server/ca.pem");
const OTHER_CA: &[u8] = include_bytes!("../../../tests/keys/certificate.pem");
const CERTIFICATE: &[u8] = include_bytes!("../../../tests/keys/key-server/server.pem");
const PRIVATE_KEY: &[u8] = include_bytes!("../../../tests/keys/key-server/server.private.pem");
