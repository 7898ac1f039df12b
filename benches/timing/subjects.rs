//! What is measured: the three comparisons that stand between a stranger's guess and a secret, and one that is wrong.

use std::io::Write;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use usersig_proxy::secret::SecretBytes;
use usersig_proxy::time::UnixTime;
use usersig_proxy::token::BearerToken;
use usersig_proxy::token::keys::{Algorithm, KeySet, ShortSecret};
use usersig_proxy::token::verify::{Fractions, TokenIssuer, Verifier};
use usersig_proxy::usersig::decode::Decoded;
use usersig_proxy::usersig::encode::Fields;
use usersig_proxy::usersig::{SdkAppId, SecretKey};
use usersig_proxy::webhook::{Settings, Tokens, Webhooks};

/// Where a guess is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    WrongAtOnce,
    WrongAtTheEnd,
}

/// One comparison; says whether the guess was right.
pub(crate) type Compare = Box<dyn FnOnce() -> bool>;

pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// The comparison of one of [`MESSAGES`] messages with a guess of one kind.
    pub(crate) prepare: Box<dyn Fn(usize, Guess) -> Compare>,
}

pub(crate) fn all() -> [Subject; 4] {
    [
        Subject {
            name: "session token, HS256",
            prepare: session_token(),
        },
        Subject {
            name: "UserSig",
            prepare: user_sig(),
        },
        Subject {
            name: "sign of a webhook",
            prepare: webhook(),
        },
        Subject {
            name: "control: HMAC-SHA256, byte by byte",
            prepare: control(),
        },
    ]
}

impl Guess {
    const BOTH: [Self; 2] = [Self::WrongAtOnce, Self::WrongAtTheEnd];

    /// A right value made wrong.
    fn spoil(self, right: &[u8]) -> Vec<u8> {
        let mut guess = right.to_vec();
        let byte = match self {
            Self::WrongAtOnce => guess.first_mut(),
            Self::WrongAtTheEnd => guess.last_mut(),
        };
        *byte.unwrap() ^= 0x10;
        guess
    }
}

/// What `make` gives for each message and kind.
fn of_each<T>(make: impl Fn(usize, Guess) -> T) -> impl Fn(usize, Guess) -> Rc<T> {
    let both = |message| Guess::BOTH.map(|guess| Rc::new(make(message, guess)));
    let all: Vec<_> = (0..MESSAGES).map(both).collect();
    move |message, guess| {
        let [at_once, at_the_end] = all.get(message).unwrap();
        Rc::clone(match guess {
            Guess::WrongAtOnce => at_once,
            Guess::WrongAtTheEnd => at_the_end,
        })
    }
}

fn session_token() -> Box<dyn Fn(usize, Guess) -> Compare> {
    let issuer = TokenIssuer {
        name: "app".to_owned(),
        issuer: None,
        audience: Vec::new(),
        algorithms: vec![Algorithm::Hs256],
        keys: KeySet::from_secret(
            &SecretBytes::new(SECRET.to_vec()),
            &[Algorithm::Hs256],
            ShortSecret::Refuse,
        )
        .unwrap(),
        fractions: Fractions::Refuse,
    };
    let day = Duration::from_secs(86_400);
    let verifier = Rc::new(Verifier::new(vec![issuer], Duration::ZERO, day).unwrap());
    let texts = of_each(|message, guess| {
        let payload = json!({ "sub": user(message), "exp": NOW.as_secs() + 60 });
        let [header, payload] = [json!({ "alg": "HS256" }), payload]
            .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{payload}");
        let signature = guess.spoil(&mac(signed.as_bytes()));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    });
    Box::new(move |message, guess| {
        let token = BearerToken::parse(&texts(message, guess)).unwrap();
        let verifier = Rc::clone(&verifier);
        Box::new(move || verifier.verify(&token, NOW).is_ok())
    })
}

fn user_sig() -> Box<dyn Fn(usize, Guess) -> Compare> {
    let key = Rc::new(SecretKey::parse(std::str::from_utf8(SECRET).unwrap()).unwrap());
    let signing = Rc::clone(&key);
    let decoded = of_each(move |message, guess| {
        let identifier = user(message);
        let fields = Fields {
            identifier: &identifier,
            sdk_app_id: 1_400_000_000,
            time: 1_800_000_000,
            expire: 60,
            userbuf: None,
        };
        let right = STANDARD.decode(fields.signature(&signing)).unwrap();
        let document = json!({
            "TLS.ver": "2.0",
            "TLS.identifier": fields.identifier,
            "TLS.sdkappid": fields.sdk_app_id,
            "TLS.time": fields.time,
            "TLS.expire": fields.expire,
            "TLS.sig": STANDARD.encode(guess.spoil(&right)),
        });
        Decoded::parse(&packed(&document.to_string())).unwrap()
    });
    Box::new(move |message, guess| {
        let decoded = Decoded::clone(&decoded(message, guess));
        let key = Rc::clone(&key);
        Box::new(move || decoded.is_signed_by(&key))
    })
}

fn webhook() -> Box<dyn Fn(usize, Guess) -> Compare> {
    let webhooks = Rc::new(Webhooks::new(Settings {
        sdk_app_id: SdkAppId::new(1_400_000_000).unwrap(),
        tokens: Tokens::new(vec![SecretBytes::new(SECRET.to_vec())]),
        max_age: Duration::from_secs(1000),
        max_body: 1000,
        replay_capacity: NonZeroUsize::MIN,
    }));
    let queries = of_each(|message, guess| {
        let time = NOW.as_secs() + u64::try_from(message).unwrap();
        let mut digest = Sha256::new();
        digest.update(SECRET);
        digest.update(time.to_string());
        let sign = guess.spoil(&digest.finalize());
        let sign: String = sign.iter().map(|byte| format!("{byte:02x}")).collect();
        format!(
            "SdkAppid=1400000000&CallbackCommand=State.StateChange&contenttype=json&Sign={sign}&RequestTime={time}"
        )
    });
    Box::new(move |message, guess| {
        let query = String::clone(&queries(message, guess));
        let webhooks = Rc::clone(&webhooks);
        Box::new(move || webhooks.announce(Some(&query), NOW).is_ok())
    })
}

fn control() -> Box<dyn Fn(usize, Guess) -> Compare> {
    let guesses = of_each(|message, guess| guess.spoil(&mac(user(message).as_bytes())));
    Box::new(move |message, guess| {
        let guess = Vec::clone(&guesses(message, guess));
        let text = user(message);
        Box::new(move || {
            let right = mac(text.as_bytes());
            right.iter().zip(&guess).all(|(one, other)| one == other)
        })
    })
}

fn mac(text: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

/// A document as a UserSig is packed.
fn packed(document: &str) -> String {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(document.as_bytes()).unwrap();
    let text = STANDARD.encode(zlib.finish().unwrap());
    text.replace('+', "*").replace('/', "-").replace('=', "_")
}

fn user(message: usize) -> String {
    format!("user-{message:016x}")
}

/// How many messages there are to guess for.
pub(crate) const MESSAGES: usize = 64;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
