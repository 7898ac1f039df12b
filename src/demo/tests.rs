use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::secret::SecretBytes;

const NOW: u64 = 1_741_000_435;
const SECRET: &[u8] = b"a session secret for the unit tests";

#[test]
fn a_login_answers_with_a_token_the_user_and_a_cookie() {
    for algorithm in ["HS256", "RS256"] {
        let response = log_in("alice", "wonderland", Some(algorithm));
        assert_eq!(response.status(), 200, "{algorithm}");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body = body_of(&response);
        let token = body["access_token"].as_str().unwrap();
        assert_eq!(
            response.headers()["set-cookie"],
            format!("session={token}; HttpOnly; SameSite=Lax; Path=/").as_str()
        );
        assert!(response.headers()["set-cookie"].is_sensitive());
        let mut rest = body.clone();
        rest["access_token"] = Value::Null;
        assert_eq!(
            rest,
            json!({
                "access_token": null,
                "token_type": "Bearer",
                "expires_in": 3600,
                "user": {"id": "27149", "name": "Alice", "roles": ["member"]},
            })
        );
    }
}

#[test]
fn a_token_holds_the_claims_of_its_user_and_the_issuer_of_its_algorithm() {
    for (algorithm, issuer) in [
        ("HS256", "https://demo.example/hs256"),
        ("RS256", "https://demo.example/rs256"),
    ] {
        let token = token_of(&log_in("carol", "helpdesk", Some(algorithm)));
        let parts: Vec<_> = token.split('.').collect();
        assert_eq!(json_of(parts[0]), json!({"typ": "JWT", "alg": algorithm}));
        let mut claims = json_of(parts[1]);
        assert_eq!(claims["jti"].as_str().unwrap().len(), 32);
        claims["jti"] = Value::Null;
        assert_eq!(
            claims,
            json!({
                "iss": issuer, "sub": "31005", "name": "Carol", "roles": ["support"],
                "iat": NOW, "exp": NOW + 3600, "jti": null,
            })
        );
    }
}

#[test]
fn two_tokens_of_one_second_differ() {
    let token = || token_of(&log_in("alice", "wonderland", None));
    assert_ne!(token(), token());
}

#[test]
fn a_login_without_an_algorithm_is_signed_with_hs256() {
    let token = token_of(&log_in("bob", "builder", None));
    assert_eq!(json_of(token.split('.').next().unwrap())["alg"], "HS256");
}

#[test]
fn wrong_credentials_are_401_whatever_is_wrong() {
    for (name, user, password) in [
        ("unknown user", "mallory", "wonderland"),
        ("wrong password", "alice", "builder"),
        ("case of the user", "Alice", "wonderland"),
        ("empty password", "alice", ""),
        ("the id for the name", "27149", "wonderland"),
    ] {
        let response = log_in(user, password, None);
        assert_eq!(response.status(), 401, "{name}");
        assert!(!response.headers().contains_key("set-cookie"), "{name}");
        assert_eq!(
            body_of(&response),
            json!({"error": "wrong user or password"}),
            "{name}"
        );
    }
    assert_eq!(log_in("alice", "wonderland", None).status(), 200);
}

#[test]
fn a_login_form_that_is_not_understood_is_refused() {
    let long = format!(
        r#"{{"user":"alice","password":"{}"}}"#,
        "x".repeat(MAX_BODY_BYTES)
    );
    for (name, body, status) in [
        ("empty", "", 400),
        ("form-encoded", "user=alice&password=wonderland", 400),
        ("array", "[]", 400),
        (
            "repeated member",
            r#"{"user":"alice","user":"bob","password":"builder"}"#,
            400,
        ),
        ("no password", r#"{"user":"alice"}"#, 400),
        (
            "user a number",
            r#"{"user":1,"password":"wonderland"}"#,
            400,
        ),
        (
            "algorithm none",
            r#"{"user":"alice","password":"wonderland","algorithm":"none"}"#,
            400,
        ),
        (
            "algorithm in lower case",
            r#"{"user":"alice","password":"wonderland","algorithm":"rs256"}"#,
            400,
        ),
        (
            "algorithm null",
            r#"{"user":"alice","password":"wonderland","algorithm":null}"#,
            400,
        ),
        ("too long", &long, 413),
        (
            "good",
            r#"{"user":"alice","password":"wonderland","algorithm":"RS256"}"#,
            200,
        ),
    ] {
        let response = send("POST", "/api/login", &[], body);
        assert_eq!(response.status(), status, "{name}");
    }
}

#[test]
fn the_app_knows_its_user_from_the_header_and_from_the_cookie() {
    for algorithm in ["HS256", "RS256"] {
        let token = token_of(&log_in("alice", "wonderland", Some(algorithm)));
        for (name, value) in [
            ("authorization", format!("Bearer {token}")),
            ("authorization", format!("bearer {token}")),
            ("cookie", format!("theme=dark; session={token}; lang=en")),
        ] {
            let response = send("GET", "/api/me", &[(name, &value)], "");
            assert_eq!(response.status(), 200, "{algorithm} {name}");
            let body = body_of(&response);
            assert_eq!(
                body,
                json!({
                    "user": {"id": "27149", "name": "Alice", "roles": ["member"]},
                    "session": {
                        "algorithm": algorithm,
                        "issuer": format!("https://demo.example/{}", algorithm.to_lowercase()),
                        "expires_at": NOW + 3600,
                    },
                    "chat_headers": {},
                }),
            );
        }
    }
}

#[test]
fn the_app_refuses_what_is_not_its_own_living_session() {
    let good = token_of(&log_in("alice", "wonderland", None));
    let claims =
        json!({"iss": HS256_ISSUER, "sub": "1", "name": "M", "roles": [], "exp": NOW + 60});
    let hs256 = |secret: &[u8], claims: &Value| signed(Algorithm::HS256, secret, claims);
    let with = |name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        hs256(SECRET, &changed)
    };
    let unsigned = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
        good.split('.').nth(1).unwrap()
    );
    for (name, token, status) in [
        ("good", good.clone(), 200),
        ("hand-made and good", hs256(SECRET, &claims), 200),
        ("another secret", hs256(&[7; 32], &claims), 401),
        ("tampered", good.replacen(".e", ".f", 1), 401),
        ("unsigned", unsigned, 401),
        (
            "another algorithm of the same key",
            signed(Algorithm::HS512, SECRET, &claims),
            401,
        ),
        (
            "issuer of the other algorithm",
            with("iss", RS256_ISSUER.into()),
            401,
        ),
        ("no issuer", with("iss", Value::Null), 401),
        ("an audience", with("aud", "other".into()), 401),
        ("last second", with("exp", (NOW + 1).into()), 200),
        ("just expired", with("exp", NOW.into()), 401),
        ("no token", String::new(), 401),
    ] {
        let response = send(
            "GET",
            "/api/me",
            &[("authorization", &format!("Bearer {token}"))],
            "",
        );
        assert_eq!(response.status(), status, "{name}");
    }
    let response = send("GET", "/api/me", &[], "");
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
}

#[test]
fn the_public_key_is_no_hmac_secret() {
    let claims =
        json!({"iss": HS256_ISSUER, "sub": "1", "name": "M", "roles": [], "exp": NOW + 60});
    let pem = pem_of("PUBLIC KEY", &public_der());
    for secret in [public_der(), pem.into_bytes()] {
        let token = signed(Algorithm::HS256, &secret, &claims);
        let cookie = format!("session={token}");
        let response = send("GET", "/api/me", &[("cookie", &cookie)], "");
        assert_eq!(response.status(), 401);
    }
}

#[test]
fn the_app_shows_every_chat_header_that_reached_it() {
    let token = token_of(&log_in("alice", "wonderland", None));
    let headers = [
        ("authorization", &*format!("Bearer {token}")),
        ("X-Chat-UserID", "27149"),
        ("X-Chat-SDKAppID", "1400000000"),
        ("X-Chat-UserSig", "eJw*"),
        ("X_Chat_UserID", "31005"),
        ("x-chat-userid", "27150"),
        ("x-chatter", "no"),
    ];
    let expected = json!({
        "x-chat-userid": "27149, 27150",
        "x-chat-sdkappid": "1400000000",
        "x-chat-usersig": "eJw*",
        "x_chat_userid": "31005",
    });
    for path in ["/api/me", "/public"] {
        let response = send("GET", path, &headers, "");
        assert_eq!(body_of(&response)["chat_headers"], expected, "{path}");
    }
}

#[test]
fn the_public_page_needs_no_session_and_shows_that_no_chat_header_came() {
    let response = send("GET", "/public", &[("x-other", "1")], "");
    assert_eq!(response.status(), 200);
    assert_eq!(
        body_of(&response),
        json!({"page": "public", "chat_headers": {}})
    );
}

#[test]
fn a_logout_succeeds_and_clears_the_cookie() {
    let response = send("POST", "/api/logout", &[], "");
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["set-cookie"],
        "session=; Max-Age=0; HttpOnly; SameSite=Lax; Path=/"
    );
    assert_eq!(body_of(&response), json!({"logged_out": true}));
}

#[test]
fn the_page_names_every_account_and_loads_nothing_from_elsewhere() {
    let response = send("GET", "/", &[], "");
    assert_eq!(
        response.headers()["content-type"],
        "text/html; charset=utf-8"
    );
    assert!(
        response.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("default-src 'none'")
    );
    let page = String::from_utf8(response.body().to_vec()).unwrap();
    for account in ACCOUNTS {
        let DemoAccount {
            login,
            password,
            user: DemoUser { id, name, roles },
        } = account;
        let row = format!(
            "<tr data-id=\"{id}\" data-name=\"{name}\"><td>{login}</td><td>{password}</td><td>{}</td>",
            roles.join(" ")
        );
        assert!(page.contains(&row), "{login}");
    }
    assert!(!page.contains("http:") && !page.contains("https:"));
    let head = send("HEAD", "/", &[], "");
    assert!(head.body().is_empty());
    assert_eq!(head.headers(), response.headers());
}

#[test]
fn other_methods_are_405_and_other_paths_404() {
    for (method, path, status, allow) in [
        ("POST", "/", 405, Some("GET, HEAD")),
        ("DELETE", "/api/me", 405, Some("GET, HEAD")),
        ("POST", "/public", 405, Some("GET, HEAD")),
        ("GET", "/api/login", 405, Some("POST")),
        ("GET", "/api/logout", 405, Some("POST")),
        ("GET", "/api", 404, None),
        ("GET", "/api/me/", 404, None),
        ("GET", "/_chat/usersig", 404, None),
        ("HEAD", "/public", 200, None),
    ] {
        let response = send(method, path, &[], "");
        assert_eq!(response.status(), status, "{method} {path}");
        let found = response
            .headers()
            .get("allow")
            .map(|value| value.to_str().unwrap());
        assert_eq!(found, allow, "{method} {path}");
    }
}

#[test]
fn keys_that_cannot_serve_are_refused_with_a_reason() {
    let secret = |length| SecretBytes::new(vec![7; length]);
    let pem = PRIVATE_PEM.as_bytes();
    let public = pem_of("PUBLIC KEY", &public_der());
    for (name, secret, pem, error) in [
        (
            "short secret",
            secret(31),
            pem,
            Some(DemoKeyError::ShortSecret),
        ),
        ("secret at the limit", secret(32), pem, None),
        (
            "no PEM",
            secret(32),
            &b"key"[..],
            Some(DemoKeyError::PrivateKey),
        ),
        (
            "a public key",
            secret(32),
            public.as_bytes(),
            Some(DemoKeyError::PrivateKey),
        ),
    ] {
        assert_eq!(DemoKeys::new(&secret, pem).err(), error, "{name}");
    }
    assert_eq!(format!("{:?}", keys()), "DemoKeys([redacted])");
}

#[test]
fn accounts_are_found_by_login_name_and_by_id() {
    assert_eq!(DemoAccount::find("alice"), DemoAccount::find("27149"));
    assert_eq!(DemoAccount::find("carol").unwrap().user.roles, ["support"]);
    assert_eq!(DemoAccount::find("Alice"), None);
}

#[test]
fn a_token_can_be_signed_for_a_user_without_an_account() {
    let user = DemoUser {
        id: "load-1",
        name: "Load \"1\"",
        roles: &[],
    };
    let now = UnixTime::from_secs(NOW);
    for algorithm in [SessionAlgorithm::Hs256, SessionAlgorithm::Rs256] {
        let token = keys().session_token(&user, algorithm, now).unwrap();
        let response = send(
            "GET",
            "/api/me",
            &[("cookie", &format!("session={token}"))],
            "",
        );
        assert_eq!(
            body_of(&response)["user"],
            json!({"id": "load-1", "name": "Load \"1\"", "roles": []})
        );
    }
}

proptest! {
    #[test]
    fn any_request_gets_an_answer_and_no_session(token in "[!-~]{0,80}", body: Vec<u8>) {
        let cookie = format!("session={token}");
        prop_assert_eq!(send("GET", "/api/me", &[("cookie", &cookie)], "").status(), 401);
        let request = Request::post("/api/login").body(body.into()).unwrap();
        let response = app().answer(&request, UnixTime::from_secs(NOW));
        prop_assert!(response.status().is_client_error());
    }
}

/// Made anew for every run of the tests.
static PAIR: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());

static PRIVATE_PEM: LazyLock<String> = LazyLock::new(|| {
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&*PAIR).unwrap();
    pem_of("PRIVATE KEY", der.as_ref())
});

fn public_der() -> Vec<u8> {
    let der = AsDer::<PublicKeyX509Der<'_>>::as_der(PAIR.public_key()).unwrap();
    der.as_ref().to_vec()
}

static KEYS: LazyLock<DemoKeys> = LazyLock::new(|| {
    let secret = SecretBytes::new(SECRET.to_vec());
    DemoKeys::new(&secret, PRIVATE_PEM.as_bytes()).unwrap()
});

fn pem_of(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(|line| str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

fn keys() -> DemoKeys {
    KEYS.clone()
}

fn app() -> DemoApp {
    DemoApp::new(keys())
}

fn signed(algorithm: Algorithm, secret: &[u8], claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret);
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap()
}

fn log_in(user: &str, password: &str, algorithm: Option<&str>) -> Response<Bytes> {
    let mut form = json!({"user": user, "password": password});
    if let Some(algorithm) = algorithm {
        form["algorithm"] = algorithm.into();
    }
    send("POST", "/api/login", &[], &form.to_string())
}

fn send(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.to_owned().into()).unwrap();
    app().answer(&request, UnixTime::from_secs(NOW))
}

fn token_of(response: &Response<Bytes>) -> String {
    body_of(response)["access_token"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn body_of(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

fn json_of(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
