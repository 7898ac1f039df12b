//! What the proxy remembers of requests is bounded, whoever sends how many.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use super::{assert_identity, get_bytes};
use crate::support::tokens::{SECRET, authorization, bearer, now};
use crate::support::{App, Connection, Proxy, config};

/// Of tokens that are good, and of tokens that are not, each of another user.
#[test]
fn c5_a_flood_of_tokens_stays_within_its_bounds_and_costs_nobody_his_session() {
    let app = App::start();
    let bounds = "token_memory = \"64KiB\"\n";
    let config = config(app.address, &super::typical_routes(""))
        .replace("[session]\n", &format!("[session]\n{bounds}"))
        .replace(
            "[session]\n",
            "[chat.usersig]\ncache_capacity = 50\n[session]\n",
        );
    let proxy = Proxy::start(&config);
    let alice = get_bytes("/inject/request", &bearer("alice"));
    let mut connection = Connection::open(proxy.address);
    for number in 0..FLOOD {
        let user = format!("user{number}");
        let (bad, good) = (
            signed_by("a secret of a stranger, long enough for HS256", &user),
            signed_by(SECRET, &user),
        );
        for (token, status) in [(bad, 401), (good, 200)] {
            let request = get_bytes("/inject/request", &authorization(&token));
            assert_eq!(connection.request(request).status, status, "{user}");
        }
        assert_identity(&app.next(), &user);
        if number % 100 == 0 {
            assert_eq!(connection.request(&alice).status, 200);
            assert_identity(&app.next(), "alice");
        }
    }
    let metric = |name: &str| proxy.metric(&format!("{name}{{site=\"default\"}}"));
    assert!((1..=64 << 10).contains(&metric("token_memory_bytes")));
    assert!((1..=50).contains(&metric("usersig_cached_users")));
    for evicted in ["token_memory_evictions_total", "usersig_evictions_total"] {
        assert!(metric(evicted) > FLOOD / 2, "{evicted}");
    }
    assert_eq!(connection.request(&alice).status, 200);
}

/// Not one of those that the output is searched for: they would be too many.
fn signed_by(secret: &str, user: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    let claims = json!({ "sub": user, "exp": now() + 600 });
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
}

const FLOOD: u64 = 1500;
