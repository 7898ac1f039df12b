//! The verdict on a token against that of a second library. Input: who signs in the first line (as in `HS256`, `other
//! ES256`, `pem HS256`), the header in the second, the payload behind it; or behind `token` a whole token.
//!
//! The fuzzer cannot forge a signature, so the target signs whatever it writes, with the right key, with one of the same
//! kind that is nobody's, or with the public key as a secret. What we accept, the second library must accept with the same
//! subject; what we refuse and it accepts must be refused for one of the rules that only we have.

#![no_main]

#[path = "token_verify/sign.rs"]
mod sign;
#[path = "token_verify/theirs.rs"]
mod theirs;

use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use usersig_proxy::secret::SecretBytes;
use usersig_proxy::time::UnixTime;
use usersig_proxy::token::keys::{Algorithm, KeySet, ShortSecret};
use usersig_proxy::token::verify::{Fractions, SessionClaims, TokenIssuer, Verifier};
use usersig_proxy::token::{BearerToken, TokenError};

fuzz_target!(|data: &[u8]| {
    let Some(text) = sign::token(data) else {
        return;
    };
    let ours = verdict(&text);
    let theirs = theirs::verdict(&text);
    match (&ours, &theirs) {
        (Ok(claims), Some(theirs)) => {
            assert_eq!(
                claims.claims().get("sub").and_then(Value::as_str),
                theirs.subject()
            );
            assert_eq!(claims.issuer_name(), theirs.issuer);
            check_again(&text, claims);
        }
        (Ok(claims), None) => {
            let header = theirs::header(&text).expect("what we accept has a header");
            let stricter = theirs::is_stricter(&header, claims.claims());
            assert!(stricter, "only we accept {text}");
        }
        (Err(error), Some(theirs)) => {
            assert!(
                theirs.allows(*error),
                "{error:?}, and another accepts {text}"
            );
        }
        (Err(_), None) => {}
    }
});

fn verdict(text: &str) -> Result<SessionClaims, TokenError> {
    VERIFIER.verify(&BearerToken::parse(text)?, NOW)
}

/// What is remembered of a good token must give the same once more.
fn check_again(text: &str, claims: &SessionClaims) {
    let token = BearerToken::parse(text).expect("it was good before");
    assert_eq!(VERIFIER.recheck(claims.token(), NOW), Ok(()));
    let again = VERIFIER.read_again(&token, claims.token());
    assert_eq!(again.expect("read before").claims(), claims.claims());
    let late = UnixTime::from_secs(claims.expires_at().as_secs() + LEEWAY.as_secs());
    assert_eq!(
        VERIFIER.recheck(claims.token(), late),
        Err(TokenError::Expired)
    );
    let wanted = VERIFIER.wanted_key(&token).expect("a key of an issuer");
    assert_eq!(wanted.issuer, claims.issuer());
    assert!(claims.proof().is_some());
}

/// An issuer, as both libraries know it.
struct Known {
    name: &'static str,
    issuer: Option<&'static str>,
    audience: &'static [&'static str],
    algorithms: &'static [Algorithm],
    keys: Keys,
}

enum Keys {
    Secret,
    Pem(&'static str),
}

static ISSUERS: [Known; 5] = [
    Known {
        name: "mac",
        issuer: Some("https://mac.example"),
        audience: &["web", "app"],
        algorithms: &[Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512],
        keys: Keys::Secret,
    },
    Known {
        name: "rsa",
        issuer: Some("https://rsa.example"),
        audience: &[],
        algorithms: &[Algorithm::Rs256, Algorithm::Ps256],
        keys: Keys::Pem(include_str!("../../keys/rsa-2048.pem")),
    },
    Known {
        name: "p256",
        issuer: Some("p"),
        audience: &[],
        algorithms: &[Algorithm::Es256],
        keys: Keys::Pem(include_str!("../../keys/p256.pem")),
    },
    Known {
        name: "p384",
        issuer: Some("q"),
        audience: &["web"],
        algorithms: &[Algorithm::Es384],
        keys: Keys::Pem(include_str!("../../keys/p384.pem")),
    },
    Known {
        name: "bare",
        issuer: None,
        audience: &[],
        algorithms: &[Algorithm::EdDsa],
        keys: Keys::Pem(include_str!("../../keys/ed25519.pem")),
    },
];

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let issuer = |known: &Known| TokenIssuer {
        name: known.name.to_owned(),
        issuer: known.issuer.map(str::to_owned),
        audience: known.audience.iter().map(|one| (*one).to_owned()).collect(),
        algorithms: known.algorithms.to_vec(),
        keys: key_set(known),
        fractions: Fractions::Refuse,
    };
    let issuers = ISSUERS.iter().map(issuer).collect();
    Verifier::new(issuers, LEEWAY, MAX_LIFETIME).expect("good issuers")
});

fn key_set(known: &Known) -> KeySet {
    let keys = match known.keys {
        Keys::Secret => {
            let secret = SecretBytes::new(SECRET.to_vec());
            KeySet::from_secret(&secret, known.algorithms, ShortSecret::Refuse)
        }
        Keys::Pem(pem) => KeySet::from_pem(pem.as_bytes(), known.algorithms),
    };
    keys.expect("good keys")
}

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const LEEWAY: Duration = Duration::from_secs(30);
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 86_400);
const SECRET: &[u8] = b"a secret of the fuzz targets, of sixty-four bytes for all hashes";
