use super::*;
use crate::token::keys::KeySet;
use crate::token::keys::location::Location;

/// The base configuration with a published key set; `more` adds lines to the issuer.
fn published(keys: &str, more: &str) -> String {
    let secret = "[\"HS256\"]\nkeys = { secret = { env = \"SESSION\" } }\n";
    base_with(secret, &format!("[\"ES256\"]\nkeys = {keys}\n{more}\n"))
}

#[test]
fn a_published_key_set_gets_the_documented_defaults() {
    let config = World::new().good(&published(
        "{ jwks_url = \"https://app.example/keys\" }",
        "",
    ));
    assert_eq!(config.warnings, []);
    let source = KeySetSource {
        issuer: 0,
        name: "app".to_owned(),
        location: Location::jwks("https://app.example/keys").unwrap(),
        algorithms: vec![Algorithm::Es256],
        allow_private: false,
        refresh: crate::key_source::DEFAULT_REFRESH,
        max_age: crate::key_source::DEFAULT_MAX_AGE,
        ca: None,
    };
    assert_eq!(config.sites[0].key_sets, [source]);
}

#[test]
fn a_published_key_set_says_where_it_is_and_how_it_is_kept() {
    let keys = "{ oidc = true, refresh = \"10s\", max_age = \"30d\", ca = \"ca.pem\" }";
    let more = "issuer = \"https://10.0.0.1/\"\nallow_private = true";
    let config = World::new().good(&published(keys, more));
    let [source] = &config.sites[0].key_sets[..] else {
        panic!("one key set");
    };
    assert_eq!(
        source.location,
        Location::oidc("https://10.0.0.1/").unwrap()
    );
    assert_eq!(source.refresh, crate::key_source::MIN_REFRESH);
    assert_eq!(source.max_age, Duration::from_secs(30 * 86_400));
    let der = pem::parse(CA).unwrap().into_contents();
    assert_eq!(source.ca, Some(vec![der]));
    assert!(source.allow_private);
}

#[test]
fn k4_an_issuer_that_publishes_its_keys_starts_with_none() {
    let config = World::new().good(&published("{ jwks_url = \"http://127.0.0.1/keys\" }", ""));
    let verifier = format!("{:?}", config.sites[0].authorizer.verifier);
    let none = format!("keys: {:?}", KeySet::unavailable());
    assert!(verifier.contains(&none), "{verifier}");
}

#[test]
fn the_index_of_a_key_set_is_that_of_its_issuer() {
    let second = "[[session.issuer]]\nname = \"b\"\nissuer = \"https://b.example\"\n\
                  algorithms = [\"ES256\"]\nkeys = { oidc = true }\n[session]\nshared_identity = true\n";
    let config = World::new().good(&base_with("[identity]", &format!("{second}[identity]")));
    let found: Vec<_> = config.sites[0]
        .key_sets
        .iter()
        .map(|source| (source.issuer, source.name.as_str()))
        .collect();
    assert_eq!(found, [(1, "b")]);
}
