use super::*;

/// The base configuration with another place of the Chat key.
fn chat_key(reference: &str) -> String {
    base_with("{ env = \"CHAT\" }", reference)
}

#[test]
fn a_secret_comes_from_a_file_the_environment_or_a_credential() {
    let mut world = World::new();
    world.file("chat.key", CHAT_KEY);
    let credentials = world.folder.path().display().to_string();
    world.env.insert("CREDENTIALS_DIRECTORY", credentials);
    for reference in [
        "{ file = \"chat.key\" }",
        "{ file = \"./chat.key\" }",
        "{ env = \"CHAT\" }",
        "{ credential = \"chat.key\" }",
    ] {
        assert_eq!(
            world.warnings(&chat_key(reference)),
            Vec::<String>::new(),
            "{reference}"
        );
    }
}

#[test]
fn o3_one_line_end_is_cut_off_and_more_is_reported() {
    let world = World::new();
    for (name, end, expected) in [
        ("nothing", "", None),
        ("LF", "\n", None),
        ("CRLF", "\r\n", None),
        ("two LF", "\n\n", Some(())),
        ("a space", " ", Some(())),
        ("a space before LF", " \n", Some(())),
    ] {
        world.file("session", format!("{SESSION_SECRET}{end}"));
        let text = base_with("{ env = \"SESSION\" }", "{ file = \"session\" }");
        let warnings = world.warnings(&text);
        let warning = "11:19: session.issuer[1].keys.secret: the file session starts or ends with white space \
                       (it counts as part of the secret; only one line end is cut off)";
        assert_eq!(
            warnings,
            Vec::from_iter(expected.map(|()| warning)),
            "{name}"
        );
    }
}

#[test]
fn o3_a_secret_that_is_not_one_is_refused_without_being_shown() {
    let mut world = World::new();
    world.env.insert("EMPTY", String::new());
    world
        .env
        .insert("PLACEHOLDER", "${CHAT_SECRET_KEY}".to_owned());
    world.file("empty", "\n");
    world.file("bom", format!("\u{feff}{CHAT_KEY}"));
    world.file("utf16", b"\xff\xfef\0o\0o\0");
    world.file("template", "{{ .Values.key }}\n");
    world.file(
        "key.pem",
        "-----BEGIN PRIVATE KEY-----\nHUSH\n-----END PRIVATE KEY-----\n",
    );
    world.file("latin", b"HUSH\xe9");
    world.file("large", vec![b'a'; (1 << 20) + 1]);
    for (reference, expected) in [
        (
            "\"HUSH\"",
            "6:14: chat.secret_key: a secret does not stand in this file (write { file = \"..\" }, { env = \"NAME\" } or { credential = \"name\" })",
        ),
        (
            "{}",
            "6:14: chat.secret_key: must name one place where the secret is (write",
        ),
        (
            "{ env = \"CHAT\", file = \"x\" }",
            "6:14: chat.secret_key: must name one place where the secret is (write",
        ),
        (
            "{ value = \"HUSH\" }",
            "6:16: chat.secret_key.value: unknown key (known here: file, env, credential)",
        ),
        (
            "{ env = \"ABSENT\" }",
            "6:14: chat.secret_key: the environment variable ABSENT is not set",
        ),
        (
            "{ env = \"EMPTY\" }",
            "6:14: chat.secret_key: the environment variable EMPTY is empty",
        ),
        (
            "{ env = \"PLACEHOLDER\" }",
            "6:14: chat.secret_key: the environment variable PLACEHOLDER holds a variable that was not expanded (put the secret itself there)",
        ),
        (
            "{ env = \"${CHAT}\" }",
            "6:22: chat.secret_key.env: looks like a variable that was not expanded",
        ),
        (
            "{ env = \"$CHAT\" }",
            "6:22: chat.secret_key.env: is not the name of an environment variable",
        ),
        (
            "{ file = \"absent\" }",
            "6:14: chat.secret_key: the file absent cannot be read: No such file or directory (os error 2) (a path is relative to the folder of this file)",
        ),
        (
            "{ file = \"/absent/key\" }",
            "6:14: chat.secret_key: the file /absent/key cannot be read: No such file or directory (os error 2)",
        ),
        (
            "{ file = \".\" }",
            "6:14: chat.secret_key: the file . cannot be read: not a regular file",
        ),
        (
            "{ file = \"empty\" }",
            "6:14: chat.secret_key: the file empty is empty",
        ),
        (
            "{ file = \"bom\" }",
            "6:14: chat.secret_key: the file bom starts with a byte order mark (save it as UTF-8 without BOM)",
        ),
        (
            "{ file = \"utf16\" }",
            "6:14: chat.secret_key: the file utf16 starts with a byte order mark (save it as UTF-8 without BOM)",
        ),
        (
            "{ file = \"template\" }",
            "6:14: chat.secret_key: the file template holds a variable that was not expanded (put the secret itself there)",
        ),
        (
            "{ file = \"key.pem\" }",
            "6:14: chat.secret_key: this is a PEM key of the older ECDSA signatures; UserSig needs the HMAC key that the console shows under Basic Information, 64 hexadecimal characters",
        ),
        (
            "{ file = \"latin\" }",
            "6:14: chat.secret_key: the key holds white space or a character outside printable ASCII",
        ),
        (
            "{ file = \"large\" }",
            "6:14: chat.secret_key: the file large cannot be read: larger than 1 MiB",
        ),
        (
            "{ credential = \"key\" }",
            "6:29: chat.secret_key.credential: there are no credentials: CREDENTIALS_DIRECTORY is not set",
        ),
        (
            "{ credential = \"../key\" }",
            "6:29: chat.secret_key.credential: is not the name of a credential",
        ),
    ] {
        let errors = world.errors(&chat_key(reference));
        assert_eq!(errors.len(), 1, "{reference}: {errors:?}");
        assert!(errors[0].starts_with(expected), "{reference}: {errors:?}");
        assert!(!errors[0].contains("HUSH"), "{reference}: {errors:?}");
    }
}

#[test]
fn a_secret_in_the_place_of_a_name_is_not_repeated() {
    let mut world = World::new();
    let credentials = world.folder.path().display().to_string();
    world.env.insert("CREDENTIALS_DIRECTORY", credentials);
    let base64 = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4MTI=";
    for secret in [CHAT_KEY, base64, "-----BEGIN PRIVATE KEY-----\\nHUSH"] {
        for place in ["file", "env", "credential"] {
            let errors = world.errors(&chat_key(&format!("{{ {place} = \"{secret}\" }}")));
            assert_eq!(errors.len(), 1, "{place}: {errors:?}");
            let shown = errors[0].contains(&secret[..12]) || errors[0].contains("HUSH");
            assert!(!shown, "{place}: {errors:?}");
        }
    }
    let public = "keys = { public_key = \"-----BEGIN PRIVATE KEY-----\\nHUSH\" }";
    let errors = world.errors(&base_with(
        "keys = { secret = { env = \"SESSION\" } }",
        public,
    ));
    assert_eq!(
        errors,
        [
            "11:23: session.issuer[1].keys.public_key: is a key, where the name of its file is expected \
          (put the key into a file beside this one)"
        ]
    );
}

#[test]
fn o3_a_file_that_others_can_open_is_a_warning_or_an_error() {
    let world = World::new();
    let path = world.file("chat.key", CHAT_KEY);
    let text = chat_key("{ file = \"chat.key\" }");
    let strict = format!("secret_files = \"strict\"\n{text}");
    let demo = format!("demo = true\n{strict}");
    for (mode, is_open) in [
        (0o600, false),
        (0o400, false),
        (0o640, true),
        (0o604, true),
        (0o602, true),
    ] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let found = format!(
            "chat.secret_key: the file chat.key can be opened by others (mode {mode:04o}) (chmod 600)"
        );
        let expected = |line: &str| Vec::from_iter(is_open.then(|| format!("{line}:14: {found}")));
        assert_eq!(world.warnings(&text), expected("6"), "{mode:o}");
        assert_eq!(world.errors(&strict), expected("7"), "{mode:o}");
        assert_eq!(world.warnings(&demo), Vec::<String>::new(), "{mode:o}");
    }
}

#[test]
fn a_public_key_file_may_be_open() {
    let world = World::new();
    let path = world.file("rsa.pem", RSA_PEM);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(world.warnings(FULL), Vec::<String>::new());
}

#[test]
fn o6_example_keys_are_refused_unless_it_is_a_demo() {
    let mut world = World::new();
    let jwt_io = "a-string-secret-at-least-256-bits-long";
    let vectors: Vec<serde_json::Value> = serde_json::from_str(VECTORS).unwrap();
    let keys = vectors.iter().filter_map(|vector| vector["key"].as_str());
    let readme = keys
        .into_iter()
        .find(|key| key.starts_with("5bd2850f"))
        .unwrap();
    let sixteen = "0123456789abcdef".repeat(4);
    for (name, variable, key) in [
        ("Tencent's README", "CHAT", readme),
        ("the vectors", "CHAT", sixteen.as_str()),
        ("jwt.io", "SESSION", jwt_io),
    ] {
        let good = world.env.insert(variable, key.to_owned()).unwrap();
        let errors = world.errors(BASE);
        assert_eq!(errors.len(), 1, "{name}: {errors:?}");
        let problem = "is an example key that everybody knows (make your own; only demo = true takes it, on loopback)";
        assert!(errors[0].ends_with(problem), "{name}: {errors:?}");
        world.good(&format!("demo = true\n{BASE}"));
        world.env.insert(variable, good);
        world.good(BASE);
    }
}

#[test]
fn o6_the_demo_key_pair_is_refused_in_every_form() {
    let world = World::new();
    let pem = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/conf/demo/session-public.pem"
    ))
    .unwrap();
    let modulus = crate::config::secrets::pem_modulus(pem.as_bytes()).unwrap();
    let n = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, &modulus);
    world.file("demo.pem", pem.replace('\n', "\r\n"));
    world.file(
        "demo.jwks",
        format!(r#"{{"keys":[{{"kty":"RSA","n":"{n}","e":"AQAB"}}]}}"#),
    );
    for keys in [
        "{ public_key = \"demo.pem\" }",
        "{ jwks_file = \"demo.jwks\" }",
    ] {
        let text = base_with("{ secret = { env = \"SESSION\" } }", keys).replace("HS256", "RS256");
        let errors = world.errors(&text);
        assert!(
            errors[0].contains("is an example key"),
            "{keys}: {errors:?}"
        );
        world.good(&format!("demo = true\n{text}"));
    }
}

#[test]
fn secrets_are_decoded_as_configured() {
    let mut world = World::new();
    let cases = [
        ("hex", "00".repeat(32), true),
        ("hex", "0".repeat(63), false),
        ("hex", "AB".repeat(32), true),
        ("base64", "A".repeat(43) + "=", true),
        ("base64", "A".repeat(43), true),
        ("base64", "-_".repeat(22), true),
        ("base64", "+/".repeat(22), true),
        ("base64", "A".repeat(45), false),
    ];
    for (encoding, secret, is_good) in cases {
        world.env.insert("SESSION", secret.clone());
        let text = base_with(
            "\"SESSION\" }",
            &format!("\"SESSION\" }}, encoding = \"{encoding}\""),
        );
        assert_eq!(
            world.errors(&text).is_empty(),
            is_good,
            "{encoding} {secret}"
        );
    }
}

const VECTORS: &str = include_str!("../../../tests/vectors/usersig.json");
