use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounterVec, Opts, Registry};
use serde_json::{Value, json};

use super::*;
use crate::metrics::{Metrics, Outcome};
use crate::rest_api::outcome::Class;
use crate::token::TokenError;
use crate::token::keys::Algorithm;
use crate::usersig::cache::Lookup;

#[test]
fn a_sample_has_these_members_and_no_other() {
    let told = told(&busy());
    let members: Vec<_> = names(&told["samples"][0]);
    assert_eq!(
        members,
        [
            "at",
            "in_flight",
            "key_set_refreshes",
            "kicks",
            "latency",
            "login_answers",
            "lookups",
            "profile_imports",
            "refused_tokens",
            "requests",
            "rest_calls",
            "token_memory",
            "upstream_failures",
            "verified",
            "webhooks",
        ]
    );
    let standing = &told["standing"];
    assert_eq!(
        names(standing),
        [
            "audit",
            "certificates",
            "commands",
            "config",
            "key_sets",
            "readiness",
            "sites",
            "upstreams",
            "version",
        ]
    );
    assert_eq!(
        names(&standing["sites"]["items"][0]),
        [
            "alarm",
            "cached_users",
            "evictions",
            "is_paused",
            "name",
            "remembered_bytes",
            "remembered_tokens",
        ]
    );
}

#[test]
fn counts_are_summed_up_over_sites_and_routes() {
    let told = told(&busy());
    let sample = &told["samples"][0];
    for (pointer, expected) in [
        ("/requests", json!({ "forwarded": 3, "token_expired": 1 })),
        ("/lookups", json!({ "hit": 1, "issued": 1 })),
        ("/verified", json!({ "ES256": 1 })),
        ("/refused_tokens", json!({ "expired": 1 })),
        ("/rest_calls", json!({ "ok": 1, "rate": 2 })),
        ("/latency/count", json!(4)),
        ("/webhooks", json!({})),
    ] {
        assert_eq!(sample.pointer(pointer), Some(&expected), "{pointer}");
    }
    // Upper bounds of 1 ms and 2.5 ms, of which the second holds all.
    assert_eq!(sample["latency"]["bounds"][1], json!(0.001));
    assert_eq!(sample["latency"]["counts"][1], json!(1));
    assert_eq!(sample["latency"]["counts"][2], json!(4));
    let commands = json!([{ "name": "openim/sendmsg", "classes": { "ok": 1, "rate": 2 } }]);
    assert_eq!(told["standing"]["commands"]["items"], commands);
    assert_eq!(told["standing"]["sites"]["items"][1]["alarm"], 70009);
}

/// Whoever adds a label with a user in it to the metrics does not add it to the page.
#[test]
fn neither_another_series_nor_another_label_is_taken_over() {
    let registry = Registry::new();
    for (name, labels) in [
        ("requests_total", ["outcome", "user"]),
        ("users_total", ["outcome", "user"]),
        ("kicks_total", ["result", "user"]),
    ] {
        let opts = Opts::new(format!("usersig_proxy_{name}"), "help");
        let counters = IntCounterVec::new(opts, &labels).unwrap();
        counters.with_label_values(&["known", "quintessa"]).inc();
        registry.register(Box::new(counters)).unwrap();
    }
    let page = Arc::new(StatusPage::new());
    page.record(&registry.gather(), beside(0));
    let event = event_of(&mut page.open().unwrap()).unwrap();
    assert!(event.contains("\"requests\":{\"known\":1}"), "{event}");
    assert!(event.contains("\"kicks\":{\"known\":1}"), "{event}");
    assert!(!event.contains("quintessa"), "{event}");
}

#[test]
fn key_sets_tell_their_age_and_when_they_are_fetched_again() {
    let page = Arc::new(StatusPage::new());
    let key_set = KeySetStanding {
        site: "a".to_owned(),
        issuer: "app".to_owned(),
        keys: 2,
        age: Some(Duration::from_millis(61_900)),
        next_refresh: Duration::from_secs(500),
        failures: 3,
        failed_by: Some("timeout"),
    };
    let beside = Beside {
        key_sets: vec![key_set],
        ..beside(0)
    };
    page.record(&[], beside);
    let told = last(&mut page.open().unwrap());
    let expected = json!([{
        "site": "a", "issuer": "app", "keys": 2, "age": 61, "next_refresh": 500, "failures": 3, "failed_by": "timeout",
    }]);
    assert_eq!(told["standing"]["key_sets"]["items"], expected);
    assert_eq!(told["standing"]["key_sets"]["left_out"], 0);
}

#[test]
fn a_list_has_an_end_and_says_what_it_leaves_out() {
    let metrics = Metrics::new().unwrap();
    for site in 0..205 {
        metrics.create_site(&format!("site-{site}"), ["default"], []);
    }
    let told = told(&metrics);
    let sites = &told["standing"]["sites"];
    assert_eq!(sites["items"].as_array().unwrap().len(), 200);
    assert_eq!(sites["left_out"], 5);
}

#[test]
fn a_stream_tells_all_of_the_past_and_then_only_what_is_new() {
    let page = Arc::new(StatusPage::new());
    let mut stream = page.open().unwrap();
    assert_eq!(event_of(&mut stream), None);
    for at in 0..3 {
        page.record(&[], beside(at));
    }
    assert_eq!(moments(&last(&mut stream)), [0, 1, 2]);
    assert_eq!(event_of(&mut stream), None);
    page.record(&[], beside(3));
    assert_eq!(moments(&last(&mut stream)), [3]);
    assert_eq!(moments(&last(&mut page.open().unwrap())), [0, 1, 2, 3]);
}

#[test]
fn the_past_is_a_quarter_of_an_hour_and_no_longer() {
    let page = Arc::new(StatusPage::new());
    let mut early = page.open().unwrap();
    for at in 0..500 {
        page.record(&[], beside(at));
    }
    for stream in [&mut early, &mut page.open().unwrap()] {
        let moments = moments(&last(stream));
        assert_eq!((moments.len(), moments[0]), (180, 320));
    }
}

#[test]
fn the_last_stream_that_fits_is_opened_and_no_other() {
    let page = Arc::new(StatusPage::new());
    let mut streams: Vec<_> = (0..MAX_STREAMS).map(|_| page.open().unwrap()).collect();
    assert_eq!(page.open_streams(), MAX_STREAMS);
    assert!(page.open().is_none());
    assert_eq!(page.open_streams(), MAX_STREAMS);
    streams.pop();
    assert!(page.open().is_some());
}

#[test]
fn looks_at_the_metrics_are_rarer_where_they_are_work() {
    for (took_ms, pause_ms) in [
        (0, 5_000),
        (50, 5_000),
        (51, 5_100),
        (300, 30_000),
        (5_000, 60_000),
    ] {
        let pause = pause_after(Duration::from_millis(took_ms));
        assert_eq!(pause, Duration::from_millis(pause_ms), "{took_ms}");
    }
}

/// Two sites with something of everything that is counted here.
fn busy() -> Metrics {
    let metrics = Metrics::new().unwrap();
    for site in ["a", "b"] {
        metrics.create_site(site, ["/x", "default"], ["app"]);
        metrics.rest_calls().create(site, ["openim/sendmsg"]);
    }
    metrics.count_request("a", "/x", Outcome::Forwarded, 0.000_9);
    metrics.count_request("a", "default", Outcome::Forwarded, 0.002);
    metrics.count_request("b", "/x", Outcome::Forwarded, 0.002);
    metrics.count_request("b", "/x", Outcome::Rejected("token_expired"), 0.002);
    metrics.count_lookup("a", Lookup::Hit);
    metrics.count_lookup("b", Lookup::Issued { evicted: false });
    metrics.count_verified("a", Algorithm::Es256);
    metrics.count_refused_token("b", TokenError::Expired);
    for class in [Class::Ok, Class::Rate, Class::Rate] {
        metrics.rest_calls().count("a", "openim/sendmsg", class);
    }
    metrics.rest_calls().set("b", Some(70009), true);
    metrics
}

fn told(metrics: &Metrics) -> Value {
    let page = Arc::new(StatusPage::new());
    page.record(&metrics.gather(), beside(7));
    last(&mut page.open().unwrap())
}

fn beside(at_ms: u64) -> Beside {
    Beside {
        at_ms,
        readiness: Readiness::Ready,
        key_sets: Vec::new(),
    }
}

fn event_of(stream: &mut Stream) -> Option<String> {
    let event = stream.next_event()?;
    Some(String::from_utf8(event.to_vec()).unwrap())
}

fn last(stream: &mut Stream) -> Value {
    let event = event_of(stream).unwrap();
    let data = event.strip_prefix("data: ").unwrap();
    // One event is one line, or a browser would read less.
    assert_eq!(data.find('\n'), Some(data.len() - 2));
    serde_json::from_str(data).unwrap()
}

fn moments(told: &Value) -> Vec<u64> {
    let samples = told["samples"].as_array().unwrap().iter();
    samples
        .map(|sample| sample["at"].as_u64().unwrap())
        .collect()
}

fn names(value: &Value) -> Vec<&str> {
    let names: BTreeSet<_> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.into_iter().collect()
}
