//! The schema against the parser and the reference; `tests/it/commands/check.rs` gives it to a validator.

use super::*;

#[test]
fn nothing_in_it_is_left_open() {
    let mut open = Vec::new();
    find_open(&schema(), "", &mut open);
    assert_eq!(open, Vec::<String>::new(), "add them to others.toml");
}

/// Keys for whose value anything would do.
fn find_open(schema: &Json, path: &str, open: &mut Vec<String>) {
    if schema == &json!(true) || schema.get("anyOf") == Some(&json!([])) {
        open.push(path.to_owned());
    }
    for (key, below) in schema["properties"].as_object().into_iter().flatten() {
        find_open(below, &format!("{path}.{key}"), open);
    }
    if let Some(items) = schema.get("items") {
        find_open(items, &format!("{path}[]"), open);
    }
    if let Some(any) = schema
        .get("additionalProperties")
        .filter(|any| **any != json!(false))
    {
        find_open(any, &format!("{path}.*"), open);
    }
    for below in schema["anyOf"].as_array().into_iter().flatten() {
        find_open(below, path, open);
    }
}

#[test]
fn every_key_of_the_reference_is_in_it_with_what_the_reference_says() {
    let schema = schema();
    let text = with_both(REFERENCE);
    let mut found = 0;
    notes(&text).tree.each(&[], &mut |path, _| {
        let Some(Step::Key(_)) = path.last() else {
            return;
        };
        assert!(find(&schema, path).is_some(), "{path:?}");
        found += 1;
    });
    assert!(found > 150, "{found}");
    for (path, said) in [
        ("runtime.max_requests", "under way at the same time"),
        ("upstream[1].servers", "http://host:port"),
        ("route[1].match", "X-HTTP-Method-Override"),
        ("rest_api.budget", "Calls a second"),
    ] {
        let node = find(&schema, &steps(path)).unwrap();
        let description = node["description"].as_str().unwrap_or_default();
        assert!(description.contains(said), "{path}: {description}");
    }
}

fn find<'s>(schema: &'s Json, path: &[Step]) -> Option<&'s Json> {
    let [step, below @ ..] = path else {
        return Some(schema);
    };
    let alternatives = schema["anyOf"].as_array();
    let alternatives = alternatives.map_or(vec![schema], |list| list.iter().collect());
    alternatives.into_iter().find_map(|one| {
        let inside = match step {
            Step::Item(_) => one.get("items")?,
            Step::Key(key) => match one["properties"].get(key) {
                Some(known) => known,
                None => one
                    .get("additionalProperties")
                    .filter(|any| any.is_object())?,
            },
        };
        find(inside, below)
    })
}

#[test]
fn words_limits_units_defaults_and_required_keys_are_the_parsers() {
    let schema = schema();
    let at = |path: &str| find(&schema, &steps(path)).unwrap();
    assert_eq!(
        at("log.level")["enum"],
        json!(["error", "warn", "info", "debug", "trace"])
    );
    assert_eq!(at("log.level")["default"], json!("info"));
    assert_eq!(at("runtime.threads")["maximum"], 1024);
    assert_eq!(at("runtime.max_requests")["default"], 10_000);
    assert_eq!(at("runtime.max_body")["pattern"], "^[0-9]+(B|KiB|MiB|GiB)$");
    assert_eq!(at("runtime.max_body")["default"], "1GiB");
    assert_eq!(
        at("upstream[1].connect_timeout")["pattern"],
        "^[0-9]+(ms|s|m|h|d)$"
    );
    assert_eq!(at("chat.profile.imports_per_second")["maximum"], 100);
    assert_eq!(at("chat.profile.queue_capacity")["default"], 10_000);
    assert_eq!(at("chat.usersig.lifetime")["pattern"], "^[0-9]+(s|m|h|d)$");
    assert_eq!(
        at("session.issuer[1].algorithms[1]")["enum"]
            .as_array()
            .unwrap()
            .len(),
        12
    );
    assert_eq!(
        at("session.issuer[1]")["required"],
        json!(["algorithms", "keys", "name"])
    );
    assert_eq!(at("chat")["required"], json!(["admin", "sdk_app_id"]));
    assert_eq!(
        schema["else"]["required"],
        json!(["chat", "identity", "routes", "session", "upstream"])
    );
    assert_eq!(schema["then"]["properties"]["chat"], false);
    assert_eq!(at("audit").get("required"), None);
}
