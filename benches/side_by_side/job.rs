//! The jobs: what is asked of the proxy, and what it must answer.

use std::time::SystemTime;

use serde_json::Value;
use usersig_proxy::time::UnixTime;
use usersig_proxy::usersig::SecretKey;
use usersig_proxy::usersig::decode::Decoded;

use super::app::{BODY_BYTES, SEEN, filler};
use super::check::Answer;
use super::load::Load;
use super::subjects::{CHAT_KEY, LOGIN_ROUTE, REST_API, Settings};
use super::tokens::{self, Signing, TokenFile, Tokens};

/// What the proxy is asked to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// A public route: nothing but passing through.
    Pass,
    /// Users whose tokens and UserSigs are known.
    Hot(Signing),
    /// Every request is of a user who was never seen.
    Storm(Signing),
    /// The app's answer to a login, into which the Chat login is written.
    LoginAnswer,
    /// A call of Chat's REST API.
    Rest,
    /// Every token has the signature of another one.
    Forged,
    /// No token at all.
    Missing,
}

impl Job {
    pub(crate) const ALL: [Self; 12] = [
        Self::Pass,
        Self::Hot(Signing::Hs256),
        Self::Hot(Signing::Rs256),
        Self::Hot(Signing::Es256),
        Self::Hot(Signing::EdDsa),
        Self::Storm(Signing::Hs256),
        Self::Storm(Signing::Rs256),
        Self::Storm(Signing::Es256),
        Self::LoginAnswer,
        Self::Rest,
        Self::Forged,
        Self::Missing,
    ];

    pub(crate) fn name(self) -> String {
        match self {
            Self::Pass => "pass".to_owned(),
            Self::Hot(signing) => format!("hot/{}", signing.name()),
            Self::Storm(signing) => format!("storm/{}", signing.name()),
            Self::LoginAnswer => "login_answer".to_owned(),
            Self::Rest => "rest".to_owned(),
            Self::Forged => "refuse/forged".to_owned(),
            Self::Missing => "refuse/missing".to_owned(),
        }
    }

    pub(crate) fn signing(self) -> Signing {
        match self {
            Self::Hot(signing) | Self::Storm(signing) => signing,
            _ => Signing::Hs256,
        }
    }

    /// The status of the answer of one that does the job.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Forged | Self::Missing => 401,
            _ => 200,
        }
    }

    fn target(self) -> &'static str {
        match self {
            Self::Pass => "/public/items?page=2",
            Self::LoginAnswer => "/login",
            Self::Rest => "/_chat/v4/openim/sendmsg",
            _ => "/api/items?page=2",
        }
    }

    fn body(self) -> String {
        match self {
            Self::LoginAnswer => r#"{"name":"mina","password":"correct horse"}"#.to_owned(),
            Self::Rest => message(BODY_BYTES, ""),
            _ => String::new(),
        }
    }

    /// What tokens its requests carry, if any.
    pub(crate) fn tokens(self, users: u64) -> Option<Tokens> {
        let users = match self {
            Self::Pass | Self::Missing | Self::LoginAnswer => return None,
            Self::Storm(_) => u64::MAX,
            _ => users,
        };
        Some(Tokens {
            signing: self.signing(),
            forged: self == Self::Forged,
            users,
        })
    }

    pub(crate) fn load(self, tokens: Option<&TokenFile>) -> Load {
        let body = self.body();
        Load {
            method: if body.is_empty() { "GET" } else { "POST" },
            targets: vec![self.target().to_owned()],
            body,
            tokens: tokens.map(|file| file.path.clone()),
            status: self.status(),
        }
    }

    /// How the proxy is set up for it.
    pub(crate) fn settings(self) -> Settings {
        let mut settings = Settings::of(self.signing());
        match self {
            Self::LoginAnswer => settings.sections.push_str(LOGIN_ROUTE),
            Self::Rest => settings.sections.push_str(REST_API),
            _ => {}
        }
        settings
    }

    /// Looks at an answer to the request of the user with this number, of a subject that does the job or passes all through.
    /// The app sent `bytes`.
    pub(crate) fn judge(self, answer: &Answer, number: u64, bytes: usize, does_the_job: bool) {
        let status = if does_the_job { self.status() } else { 200 };
        answer.must(answer.status == status);
        if status != 200 {
            return;
        }
        let user = tokens::subject(number);
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        let injects_headers = matches!(self, Self::Hot(_) | Self::Storm(_));
        let (seen, user_sig) = match does_the_job && injects_headers {
            true => (user.as_str(), answer.header("x-chat-usersig")),
            false => ("-", None),
        };
        answer.must(answer.header("x-chat-usersig") == user_sig);
        if self == Self::Rest {
            let account = if does_the_job { &user } else { "-" };
            answer.must(body["From_Account"] == *account);
        } else {
            answer.must(answer.header(SEEN) == Some(seen));
        }
        let user_sig = match self {
            Self::LoginAnswer if does_the_job => {
                answer.must(body["chat"]["userId"] == body["user"]);
                body["chat"]["userSig"].as_str()
            }
            _ => {
                answer.must(answer.body.len() == bytes);
                user_sig
            }
        };
        if does_the_job && (injects_headers || self == Self::LoginAnswer) {
            answer.must(user_sig.is_some_and(is_good));
        }
    }
}

/// Whether Chat would take it.
fn is_good(user_sig: &str) -> bool {
    let key = SecretKey::parse(CHAT_KEY).unwrap();
    let now = UnixTime::from(SystemTime::now());
    Decoded::parse(user_sig).is_ok_and(|decoded| decoded.verify(&key, now).is_ok())
}

/// The body of a call that sends a message, of so many bytes, with a mark for the stand-in of Chat near its start.
pub(crate) fn message(bytes: usize, mark: &str) -> String {
    let with = |text: &str| {
        format!(
            r#"{{"CloudCustomData":"{mark}","To_Account":"user-0011223344556677","MsgRandom":1287657,"MsgBody":[{{"MsgType":"TIMTextElem","MsgContent":{{"Text":"{text}"}}}}]}}"#
        )
    };
    let frame = with("").len();
    with(&filler(bytes.saturating_sub(frame)))
}
