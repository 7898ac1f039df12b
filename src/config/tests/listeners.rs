//! Listeners: what they may be, their certificates, and who is believed.

use std::os::unix::fs::symlink;

use super::*;
use crate::policy::{Peer, forwarded::ForwardedFamily};

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/tls");

/// A world with the certificates of the tests.
fn world() -> World {
    let world = World::new();
    for entry in fs::read_dir(KEYS).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "pem") {
            let name = path.file_name().unwrap().to_str().unwrap();
            world.file(name, fs::read(&path).unwrap());
        }
    }
    world.file(
        "not.pem",
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
    );
    world.file("empty", "");
    world
}

/// The base configuration with these lines in `[listen]`, which is line 15.
fn listen(lines: &str) -> String {
    base_with("[routes]", &format!("[listen]\n{lines}\n[routes]"))
}

/// One TLS listener with this beside its address.
fn https(rest: &str) -> String {
    listen(&format!(
        "https = [{{ address = \"0.0.0.0:8443\", {rest} }}]"
    ))
}

#[test]
fn a_listener_is_an_address_a_file_or_a_table() {
    let world = world();
    let folder = world.folder.path().display();
    let app = "certificate = \"app.pem\", key = \"app.private.pem\"";
    for (lines, expected) in [
        (
            "http = []\nhttps = [{ address = \"[::]:443\", APP }]",
            &["[::]:443 with TLS"][..],
        ),
        (
            "https = [{ address = \"0.0.0.0:8443\", APP }]",
            &["0.0.0.0:8443 with TLS"],
        ),
        (
            "http = [\"0.0.0.0:80\", \"unix:/run/a.sock\"]\nhttps = [{ address = \"0.0.0.0:443\", APP }]",
            &["0.0.0.0:80", "unix:/run/a.sock", "0.0.0.0:443 with TLS"],
        ),
        ("http = [\"unix:x/a.sock\"]", &["unix:FOLDER/x/a.sock"]),
        ("http = [{ address = \"127.0.0.1:81\" }]", &["127.0.0.1:81"]),
        ("https = []", &["127.0.0.1:8080"]),
    ] {
        let config = world.good(&listen(&lines.replace("APP", app)));
        let expected: Vec<_> = expected
            .iter()
            .map(|text| text.replace("FOLDER", &folder.to_string()))
            .collect();
        assert_eq!(shown(&config.listen), expected, "{lines}");
        assert_eq!(
            world.shown(&config.warnings),
            Vec::<String>::new(),
            "{lines}"
        );
    }
}

#[test]
fn a_certificate_comes_with_its_names_its_end_and_its_key() {
    let world = world();
    for rest in [
        "certificate = \"app.pem\", key = \"app.private.pem\", certificates = [WILDCARD, RSA]",
        "certificates = [{ certificate = \"app.pem\", key = { file = \"app.private.pem\" } }, WILDCARD, RSA]",
    ] {
        let rest = rest
            .replace(
                "WILDCARD",
                "{ certificate = \"wildcard.pem\", key = \"wildcard.private.pem\" }",
            )
            .replace(
                "RSA",
                "{ certificate = \"rsa.pem\", key = \"rsa.private.pem\" }",
            );
        let config = world.good(&https(&rest));
        assert_eq!(world.shown(&config.warnings), Vec::<String>::new());
        let Transport::Tls(certificates) = &config.listen.listeners[0].transport else {
            panic!("no TLS");
        };
        let names: Vec<_> = certificates.iter().map(|one| one.names.join(" ")).collect();
        assert_eq!(
            names,
            [
                "app.example.com localhost",
                "*.example.com",
                "app.example.com"
            ]
        );
        // 2126-01-01T00:00:00Z
        assert!(
            certificates
                .iter()
                .all(|one| one.not_after == 4_922_899_200)
        );
        let shown = format!("{config:?}");
        assert!(!shown.contains("CertifiedKey"), "{shown}");
    }
}

#[test]
fn every_fault_of_a_certificate_is_named_with_its_place() {
    let world = world();
    for (rest, expected) in [
        (
            "proxy_protocol = false",
            "15:10: listen.https[1].certificate: is required (certificate = \"chain.pem\", key = { file = \"key.pem\" })",
        ),
        (
            "certificate = \"app.pem\"",
            "15:10: listen.https[1].key: is required (certificate = \"chain.pem\", key = { file = \"key.pem\" })",
        ),
        (
            "certificates = [{ key = \"app.private.pem\" }]",
            "listen.https[1].certificates[1].certificate: is required",
        ),
        (
            "certificate = \"app.pem\", key = \"rsa.private.pem\"",
            "listen.https[1].key: is not the key of the certificate",
        ),
        (
            "certificate = \"p521.pem\", key = \"p521.private.pem\"",
            "listen.https[1].key: is a key of a kind that TLS cannot use here",
        ),
        (
            "certificate = \"app.pem\", key = \"app.pem\"",
            "listen.https[1].key: holds no private key that can be read",
        ),
        (
            "certificate = \"app.pem\", key = \"encrypted.private.pem\"",
            "listen.https[1].key: is encrypted: there is nobody to ask for its password",
        ),
        (
            "certificate = \"app.pem\", key = \"absent.pem\"",
            "listen.https[1].key: the file absent.pem cannot be read",
        ),
        (
            "certificate = \"app.pem\", key = \"empty\"",
            "listen.https[1].key: holds no private key that can be read",
        ),
        (
            "certificate = \"app.pem\", key = \"-----BEGIN PRIVATE KEY-----\"",
            "listen.https[1].key: a secret does not stand in this file",
        ),
        (
            "certificate = \"app.pem\", key = { pem = \"x\" }",
            "listen.https[1].key.pem: unknown key",
        ),
        (
            "certificate = \"app.private.pem\", key = \"app.private.pem\"",
            "listen.https[1].certificate: holds no certificate",
        ),
        (
            "certificate = \"not.pem\", key = \"app.private.pem\"",
            "listen.https[1].certificate: is not PEM that can be read",
        ),
        (
            "certificate = \"absent.pem\", key = \"app.private.pem\"",
            "listen.https[1].certificate: the file absent.pem cannot be read",
        ),
        (
            "certificate = \"app.pem\", key = \"app.private.pem\", cipher = 1",
            "listen.https[1].cipher: unknown key",
        ),
    ] {
        let errors = world.errors(&https(rest));
        let [error] = errors.as_slice() else {
            panic!("{rest}: {errors:?}");
        };
        assert!(error.contains(expected), "{rest}: {error}");
        assert!(!error.contains("BEGIN"), "{error}");
    }
    // The chain in the wrong order: the one that signs first.
    let mut chain = fs::read(format!("{KEYS}/ca.pem")).unwrap();
    chain.extend(fs::read(format!("{KEYS}/app.pem")).unwrap());
    world.file("reversed.pem", chain);
    let errors = world.errors(&https(
        "certificate = \"reversed.pem\", key = \"app.private.pem\"",
    ));
    assert!(
        errors[0].contains("is not the key of the certificate"),
        "{errors:?}"
    );
}

#[test]
fn a_certificate_that_clients_refuse_is_warned_about_and_served() {
    let world = world();
    for (name, expected) in [
        (
            "expired",
            "listen.https[1].certificate: has expired: clients will refuse it (renew it)",
        ),
        (
            "nameless",
            "listen.https[1].certificate: names no host and no address: clients will refuse it",
        ),
    ] {
        let rest = format!("certificate = \"{name}.pem\", key = \"{name}.private.pem\"");
        let warnings = world.warnings(&https(&rest));
        assert!(
            warnings.len() == 1 && warnings[0].contains(expected),
            "{warnings:?}"
        );
    }
}

#[test]
fn o3_a_private_key_that_others_can_open_is_warned_about_or_refused() {
    let world = world();
    let path = world.file(
        "open.pem",
        fs::read(format!("{KEYS}/app.private.pem")).unwrap(),
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    for key in ["\"open.pem\"", "{ file = \"open.pem\" }"] {
        let text = https(&format!("certificate = \"app.pem\", key = {key}"));
        let warnings = world.warnings(&text);
        assert!(
            warnings.len() == 1
                && warnings[0].contains("can be opened by others (mode 0644) (chmod 600)"),
            "{warnings:?}"
        );
        let errors = world.errors(&format!("secret_files = \"strict\"\n{text}"));
        assert!(
            errors.len() == 1 && errors[0].contains("can be opened by others"),
            "{errors:?}"
        );
    }
}

#[test]
fn listeners_that_clash_or_cannot_be_are_refused() {
    let world = world();
    fs::create_dir_all(world.folder.path().join("folder/deep")).unwrap();
    symlink(".", world.folder.path().join("link")).unwrap();
    // Not a clash: the folder above the one that the link leads to.
    symlink("folder/deep", world.folder.path().join("deep")).unwrap();
    world.good(&listen("http = [\"unix:deep/../a\", \"unix:a\"]"));
    let app = "certificate = \"app.pem\", key = \"app.private.pem\"";
    let long = format!("http = [\"unix:/{}\"]", "x".repeat(107));
    for (lines, expected) in [
        (
            "http = [\"0.0.0.0:8443\"]\nhttps = [{ address = \"127.0.0.1:8443\", APP }]",
            "listen.https[1].address: is taken by listen.http[1] already",
        ),
        (
            "https = [{ address = \"127.0.0.1:9090\", APP }]",
            "listen.https[1].address: is taken by ops.listen already",
        ),
        (
            "http = [\"unix:a\", \"unix:./a\"]",
            "listen.http[2]: is taken by listen.http[1] already (give each its own file)",
        ),
        (
            "http = [\"unix:\"]",
            "listen.http[1]: does not name the file of a socket",
        ),
        (
            "http = [\"unix:///run/a\"]",
            "listen.http[1]: is written like a URL (\"unix:/run/app.sock\", without //)",
        ),
        (
            "http = [\"unix:x/../a\", \"unix:a\"]",
            "listen.http[2]: is taken by listen.http[1] already (give each its own file)",
        ),
        (
            "http = [\"unix:folder/../a\", \"unix:link/a\"]",
            "listen.http[2]: is taken by listen.http[1] already",
        ),
        (
            "http = [\"unix:/run/\"]",
            "listen.http[1]: does not name the file of a socket",
        ),
        (
            "http = [\"unix:/run/..\"]",
            "listen.http[1]: does not name the file of a socket",
        ),
        (
            long.as_str(),
            "listen.http[1]: is too long for the path of a socket",
        ),
        (
            "https = [{ address = \"unix:/run/a\", APP }]",
            "listen.https[1].address: is not an address to listen on",
        ),
        (
            "http = [{ proxy_protocol = true }]",
            "listen.http[1].address: is required",
        ),
        (
            "unix_mode = \"0999\"",
            "listen.unix_mode: is not the mode of a file",
        ),
        (
            "unix_mode = \"+660\"",
            "listen.unix_mode: is not the mode of a file",
        ),
        (
            "unix_mode = \"4660\"",
            "listen.unix_mode: is not the mode of a file",
        ),
        ("unix_mode = 660", "listen.unix_mode: expected a string"),
        (
            "trusted_proxies = [\"10.0.0.1/8\"]",
            "listen.trusted_proxies[1]: is an address within a network, not the network (\"10.0.0.0/8\")",
        ),
        (
            "trusted_proxies = [\"balancer\"]",
            "listen.trusted_proxies[1]: is neither an address nor a network",
        ),
        (
            "trusted_headers = \"x-real-ip\"",
            "listen.trusted_headers: must be one of",
        ),
        (
            "http = [{ address = \"0.0.0.0:80\", proxy_protocol = true }]",
            "listen.http[1]: takes the PROXY protocol, and no trusted proxy could connect here",
        ),
        (
            "http = [{ address = \"0.0.0.0:80\", proxy_protocol = true }]\ntrusted_proxies = [\"unix\"]",
            "no trusted proxy could connect here",
        ),
        (
            "http = [{ address = \"unix:/run/a\", proxy_protocol = true }]\ntrusted_proxies = [\"10.0.0.0/8\"]",
            "no trusted proxy could connect here",
        ),
    ] {
        let errors = world.errors(&listen(&lines.replace("APP", app)));
        assert!(
            errors.len() == 1 && errors[0].contains(expected),
            "{lines}: {errors:?}"
        );
    }
    let demo = format!("demo = true\n{}", https(app));
    let errors = world.errors(&demo);
    assert!(
        errors[0].contains("listen.https[1].address: is not on loopback"),
        "{errors:?}"
    );
}

#[test]
fn h9_only_named_proxies_are_trusted_and_everybody_is_warned_about() {
    let world = world();
    let config = world.good(&listen(
        "http = [{ address = \"0.0.0.0:80\", proxy_protocol = true }]\n\
         trusted_proxies = [\"10.0.0.0/8\", \"unix\"]\ntrusted_headers = \"forwarded\"\nunix_mode = \"0600\"",
    ));
    let listen_to = &config.listen;
    assert!(listen_to.listeners[0].proxy_protocol);
    assert!(
        listen_to
            .trusted_proxies
            .contains(Peer::at([10, 0, 0, 1].into()))
    );
    assert!(
        !listen_to
            .trusted_proxies
            .contains(Peer::at([11, 0, 0, 1].into()))
    );
    assert_eq!(listen_to.trusted_headers, ForwardedFamily::Forwarded);
    assert_eq!(listen_to.unix_mode, 0o600);
    let warnings = world.warnings(&listen("trusted_proxies = [\"0.0.0.0/0\"]"));
    assert!(
        warnings.len() == 1 && warnings[0].contains("believes everybody"),
        "{warnings:?}"
    );
}
