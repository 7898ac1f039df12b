//! A [`Change`] as the store keeps it.
//!
//! ```text
//! usersig-proxy:1400000000:app:t:9b…        denied token (SHA-256)         until it has expired
//! usersig-proxy:1400000000:app:u:ada        generation of a user           until what was issued before has ended
//! usersig-proxy:1400000000:app:r:app:ada:-  kicked subject of the list     31 days
//! └──── prefix ────┘└─ app ──┘└site┘└ subject ┘ ─▶ 5f0c91a7e2d84b36 {"user":{"id":"ada","not_before":1700000000}}
//!                                                   └─ who wrote it ┘
//! ```

use std::time::Duration;

use super::super::Change;
use crate::time::UnixTime;

/// A change with the name of what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) subject: String,
    pub(super) change: Change,
}

impl Record {
    pub(super) fn new(change: Change) -> Self {
        let subject = match &change {
            Change::Token { id, .. } => format!("t:{id}"),
            Change::User(user) => format!("u:{}", user.user.as_str()),
            Change::Enforced(subject) => {
                let (issuer, user) = (&subject.issuer, subject.user.as_str());
                match subject.before {
                    Some(before) => format!("r:{issuer}:{user}:{before}"),
                    None => format!("r:{issuer}:{user}:-"),
                }
            }
        };
        Self { subject, change }
    }

    /// The text that is stored, without its writer.
    pub(super) fn text(&self) -> String {
        self.change.to_json().to_string()
    }

    /// Reads what is stored about a subject, and whether `node` wrote it. Nothing that no node of this program writes.
    pub(super) fn parse(
        subject: &str,
        value: &[u8],
        node: &str,
        now: UnixTime,
    ) -> Option<(Self, bool)> {
        let (writer, text) = std::str::from_utf8(value).ok()?.split_once(' ')?;
        let change = Change::from_json(serde_json::from_str(text).ok()?).ok()?;
        let record = Self::new(change);
        let is_good = record.subject == subject && record.is_plausible(now);
        is_good.then_some((record, writer == node))
    }

    /// When it may be forgotten, where a UserSig counts for `lifetime`.
    pub(super) fn ends_at(&self, lifetime: Duration, now: UnixTime) -> UnixTime {
        match &self.change {
            Change::Token { until, .. } => *until,
            Change::User(user) => {
                let issued_before = user.not_before.saturating_add(lifetime + MARGIN);
                match user.floor {
                    Some(floor) => floor.until.max(issued_before),
                    None => issued_before,
                }
            }
            Change::Enforced(_) => now.saturating_add(KEEP_ENFORCED),
        }
    }

    /// Many logouts of one user date the next UserSig ahead of the clock. Others need no more of that than they take for
    /// plausible: a record that is not they would ignore, with the floor of the user's sessions in it.
    pub(super) fn dated_by(mut self, now: UnixTime) -> Self {
        if let Change::User(user) = &mut self.change {
            let latest = now.saturating_add(MARGIN / 2);
            user.not_before = user.not_before.min(latest);
            user.renewed_at = user.renewed_at.map(|renewed_at| renewed_at.min(latest));
        }
        self
    }

    /// A date far ahead would keep a user out until then, whatever the other nodes say.
    fn is_plausible(&self, now: UnixTime) -> bool {
        let (soon, late) = (now.saturating_add(MARGIN), now.saturating_add(LONGEST));
        match &self.change {
            Change::Token { until, .. } => *until <= late,
            Change::User(user) => {
                let floor = user.floor;
                user.not_before <= soon
                    && user.renewed_at.is_none_or(|renewed_at| renewed_at <= soon)
                    && floor.is_none_or(|floor| floor.before <= soon && floor.until <= late)
            }
            Change::Enforced(_) => true,
        }
    }
}

/// As far as the clocks of two nodes may be apart.
const MARGIN: Duration = Duration::from_secs(60);
/// Longer than any session.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 3600);
const KEEP_ENFORCED: Duration = Duration::from_secs(31 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
    const DIGEST: &str = "9b0c1f4ef4a1bbeae9e3b7be23e9e3be7ae0dbf3cf46d98cbf5b7c5a6e0f7a3b";

    fn parse(subject: &str, value: &str) -> Option<(Record, bool)> {
        Record::parse(subject, value.as_bytes(), "me", NOW)
    }

    #[test]
    fn who_logs_out_very_often_is_still_believed_by_the_others() {
        let text = r#"{"user":{"id":"ada","not_before":1700000900,"renewed_at":1700000900,"floor":[1700000001,1700900000]}}"#;
        let value = format!("other {text}");
        assert!(parse("u:ada", &value).is_none());
        let far = UnixTime::from_secs(1_700_000_900);
        let (record, _) = Record::parse("u:ada", value.as_bytes(), "me", far).unwrap();
        let told = format!("other {}", record.dated_by(NOW).text());
        let (read, _) = parse("u:ada", &told).unwrap();
        let Change::User(user) = read.change else {
            panic!("{told}");
        };
        assert_eq!(user.not_before, UnixTime::from_secs(1_700_000_030));
        assert_eq!(
            user.floor.unwrap().before,
            UnixTime::from_secs(1_700_000_001)
        );
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_says_who_wrote_it() {
        let token = format!(r#"{{"token":{{"id":"{DIGEST}","until":1700003600}}}}"#);
        let cases = [
            (format!("t:{DIGEST}"), token.as_str(), 3600),
            (
                "u:ada".to_owned(),
                r#"{"user":{"id":"ada","not_before":1700000001,"renewed_at":1700000000,"floor":[1700000001,1700900000],"kick":true}}"#,
                900_000,
            ),
            (
                "u:bob".to_owned(),
                r#"{"user":{"id":"bob","not_before":1700000001}}"#,
                100 + 61,
            ),
            (
                "r:app:ada:5".to_owned(),
                r#"{"revoked":{"issuer":"app","user":"ada","before":5,"listed":true}}"#,
                31 * 24 * 3600,
            ),
            (
                "r:app:ada:-".to_owned(),
                r#"{"revoked":{"issuer":"app","user":"ada","before":null,"listed":false}}"#,
                31 * 24 * 3600,
            ),
        ];
        for (subject, text, ends) in cases {
            let (record, is_mine) = parse(&subject, &format!("me {text}")).unwrap();
            assert!(is_mine, "{subject}");
            let stored: serde_json::Value = serde_json::from_str(&record.text()).unwrap();
            assert_eq!(
                stored,
                serde_json::from_str::<serde_json::Value>(text).unwrap()
            );
            let end = record.ends_at(Duration::from_secs(100), NOW);
            assert_eq!(end.saturating_since(NOW).as_secs(), ends, "{subject}");
            let (again, is_mine) = parse(&subject, &format!("other {}", record.text())).unwrap();
            assert_eq!((again, is_mine), (record, false));
        }
    }

    #[test]
    fn what_no_node_writes_is_not_read() {
        let user = |members: &str| format!(r#"me {{"user":{{"id":"ada",{members}}}}}"#);
        let good = user(r#""not_before":1700000060,"renewed_at":1700000060"#);
        assert!(parse("u:ada", &good).is_some());
        let cases = [
            ("another subject", "u:bob", good.clone()),
            ("another kind", "t:ada", good.clone()),
            ("no writer", "u:ada", good[3..].to_owned()),
            ("cut", "u:ada", good[..good.len() - 1].to_owned()),
            ("more", "u:ada", user(r#""not_before":1,"more":1"#)),
            ("an id that is none", "u:a b", good.replace("ada", "a b")),
            (
                "a date far ahead",
                "u:ada",
                user(r#""not_before":1700000061"#),
            ),
            (
                "a renewal far ahead",
                "u:ada",
                user(r#""not_before":1,"renewed_at":1700000061"#),
            ),
            (
                "a floor far ahead",
                "u:ada",
                user(r#""not_before":1,"floor":[1700000061,1700000062]"#),
            ),
            (
                "a floor for ever",
                "u:ada",
                user(r#""not_before":1,"floor":[1,9700000000]"#),
            ),
            (
                "a token for ever",
                "t:9b",
                format!(r#"me {{"token":{{"id":"{DIGEST}","until":9700000000}}}}"#),
            ),
            ("no text", "u:ada", "me \u{0}".to_owned()),
            ("empty", "u:ada", String::new()),
        ];
        for (name, subject, value) in cases {
            let subject = subject.replace("t:9b", &format!("t:{DIGEST}"));
            assert_eq!(parse(&subject, &value), None, "{name}");
        }
        assert!(Record::parse("u:ada", b"me \xff", "me", NOW).is_none());
    }
}
