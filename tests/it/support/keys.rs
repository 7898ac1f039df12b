//! An issuer that publishes its keys: what it signs with, and the server that hands its key set out.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{App, tokens};

/// A key pair with its id.
pub(crate) struct Signer {
    id: String,
    pair: Ed25519KeyPair,
}

impl Signer {
    pub(crate) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            pair: Ed25519KeyPair::generate().unwrap(),
        }
    }

    /// A header line with a good token for a subject.
    pub(crate) fn bearer(&self, subject: &str) -> String {
        self.bearer_with_id(subject, &self.id)
    }

    /// The same with another key id in its header.
    pub(crate) fn bearer_with_id(&self, subject: &str, id: &str) -> String {
        let token = self.sign(id, &json!({ "sub": subject, "exp": tokens::now() + 600 }));
        tokens::note(&token);
        tokens::authorization(&token)
    }

    /// A token that no search through what was printed looks for.
    pub(crate) fn sign(&self, id: &str, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!(
            "{}.{}",
            part(&json!({ "alg": "EdDSA", "kid": id })),
            part(claims)
        );
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// The public key as a file that `public_key` names.
    pub(crate) fn pem(&self) -> String {
        let info = [ED25519_INFO, self.pair.public_key().as_ref()].concat();
        pem::encode(&pem::Pem::new("PUBLIC KEY", info))
    }

    fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.id, "x": x })
    }
}

/// The key set of these signers as a whole answer.
pub(crate) fn key_set(signers: &[&Signer]) -> Vec<u8> {
    answer(200, &jwks(signers))
}

/// The key set of these signers as a file that `jwks_file` names.
pub(crate) fn jwks(signers: &[&Signer]) -> String {
    let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

pub(crate) fn answer(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// A server on loopback that answers `/keys` with what the test says, and counts.
pub(crate) struct KeyServer {
    pub(crate) address: SocketAddr,
    answer: Arc<Held>,
    fetches: Arc<AtomicUsize>,
}

impl KeyServer {
    pub(crate) fn start(first: Vec<u8>) -> Self {
        let answer = Arc::new(Held::default());
        answer.set(Some(first));
        let fetches = Arc::new(AtomicUsize::new(0));
        let (current, count) = (answer.clone(), fetches.clone());
        let app = App::with(move |request, stream| {
            if request.target == DISCOVERY {
                let _ = stream.write_all(&discovery(request.header("host").unwrap()));
                return false;
            }
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.write_all(&current.wait());
            false
        });
        Self {
            address: app.address,
            answer,
            fetches,
        }
    }

    /// What every fetch gets from now on.
    pub(crate) fn answer(&self, answer: Vec<u8>) {
        self.answer.set(Some(answer));
    }

    /// Lets every fetch wait from now on, until there is an [answer](Self::answer).
    pub(crate) fn hang(&self) {
        self.answer.set(None);
    }

    /// What every fetch gets now.
    pub(crate) fn current(&self) -> Vec<u8> {
        self.answer.wait()
    }

    /// How often the key set was asked for.
    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

/// An answer that may still have to come.
#[derive(Default)]
struct Held {
    answer: Mutex<Option<Vec<u8>>>,
    came: Condvar,
}

impl Held {
    fn set(&self, answer: Option<Vec<u8>>) {
        *self.answer.lock().unwrap() = answer;
        self.came.notify_all();
    }

    fn wait(&self) -> Vec<u8> {
        let answer = self.answer.lock().unwrap();
        let answer = self.came.wait_while(answer, |answer| answer.is_none());
        answer.unwrap().clone().unwrap()
    }
}

/// The discovery document of the issuer `http://HOST`.
fn discovery(host: &str) -> Vec<u8> {
    let document = json!({
        "issuer": format!("http://{host}"),
        "jwks_uri": format!("http://{host}/keys"),
    });
    answer(200, &document.to_string())
}

/// What stands before the 32 bytes of an Ed25519 key in a `SubjectPublicKeyInfo`.
const ED25519_INFO: &[u8] = &[
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0,
];
const DISCOVERY: &str = "/.well-known/openid-configuration";
