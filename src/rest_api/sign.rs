//! The signed URI of a REST call.
//!
//! ```text
//! https://HOST/v4/SERVICE/COMMAND?sdkappid=N&identifier=ADMIN&usersig=…&random=N&contenttype=json
//! ```
//!
//! Source: RESTful API Overview of Tencent Cloud Chat. The credential travels in the query, so a signed URI is a secret: it
//! has no `Display`, its `Debug` prints a placeholder, and it is wiped on drop.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::outcome::Secrets;
use crate::identity::{ReservedNames, UserId, UserIdError};
use crate::time::UnixTime;
use crate::usersig::{IssueError, IssuedUserSig, Issuer, Lifetime, SdkAppId, SecretKey, UserSig};

/// The account of the console in whose name REST calls are made.
///
/// Not a [`UserId`]: no user can ever be given one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AdminAccount(UserId);

impl AdminAccount {
    /// Takes a name of the letters that Chat allows.
    pub fn parse(name: &str) -> Result<Self, UserIdError> {
        UserId::parse(name, &ReservedNames::default()).map(Self)
    }
}

impl fmt::Display for AdminAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for AdminAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdminAccount({})", self.0)
    }
}

/// Where an application's REST API is: scheme and authority, no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    base: String,
    /// A second name of the same servers, meant for when the first does not resolve to them.
    spare: Option<String>,
}

/// Which name of the API a call goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// The documented one.
    Main,
    /// The spare one, if there is one, else the same.
    Spare,
}

/// Why a text is no [`Endpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not `https://host[:port]`, nor `http://` with an address of loopback.
    #[error(
        "an endpoint is https://host, and http:// only with an address of loopback; no path, query or user"
    )]
    Form,
    /// No region of this name is known.
    #[error(
        "no such region; known are china, singapore, seoul, tokyo, frankfurt, silicon_valley and jakarta"
    )]
    Region,
}

impl Endpoint {
    /// The endpoint of a region in which Chat has a data centre.
    pub fn of_region(name: &str) -> Result<Self, EndpointError> {
        REGIONS
            .iter()
            .find(|(region, _, _)| *region == name)
            .map(|(_, host, spare)| Self {
                base: format!("https://{host}"),
                spare: Some(format!("https://{spare}")),
            })
            .ok_or(EndpointError::Region)
    }

    /// The names of the regions.
    pub fn regions() -> impl Iterator<Item = &'static str> {
        REGIONS.iter().map(|(name, _, _)| *name)
    }

    /// Takes `https://host[:port]`, or `http://` with a loopback address and port.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let uri: http::Uri = text.parse().map_err(|_| EndpointError::Form)?;
        let authority = uri.authority().ok_or(EndpointError::Form)?;
        let plain = format!("{}://{authority}", uri.scheme_str().unwrap_or_default());
        let has_more =
            authority.as_str().contains('@') || (text != plain && text != format!("{plain}/"));
        let host = authority.host().trim_matches(['[', ']']);
        let is_loopback = host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback());
        match uri.scheme_str() {
            Some("https") if !has_more => Ok(Self::only(plain)),
            Some("http") if !has_more && is_loopback => Ok(Self::only(plain)),
            _ => Err(EndpointError::Form),
        }
    }

    fn only(base: String) -> Self {
        Self { base, spare: None }
    }

    /// Whether there is a second name to try.
    pub fn has_spare(&self) -> bool {
        self.spare.is_some()
    }

    fn base(&self, host: Host) -> &str {
        match host {
            Host::Main => &self.base,
            Host::Spare => self.spare.as_ref().unwrap_or(&self.base),
        }
    }

    /// Whether calls to it are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.base.starts_with("https://")
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        let authority = self.base.split("://").nth(1).unwrap_or_default();
        let host = authority
            .parse::<http::uri::Authority>()
            .map(|authority| authority.host().trim_matches(['[', ']']).to_owned());
        host.is_ok_and(|host| {
            host.parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
        })
    }
}

/// Signs the REST calls of one application.
#[derive(Debug)]
pub struct Signer {
    endpoint: Endpoint,
    issuer: Issuer,
    admin: AdminAccount,
    admin_sig: Arc<Mutex<AdminSig>>,
}

/// How much two signers are the same to Chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// In everything.
    Same,
    /// They call the same application at the same place, with another key or administrator.
    SameApp,
    /// They call another application, or another place.
    Other,
}

/// The administrator's UserSig in use.
#[derive(Debug, Default)]
struct AdminSig {
    in_use: Option<InUse>,
    renewed_at: Option<UnixTime>,
}

/// A UserSig of the administrator, with what must not stand in an answer to what it signs.
#[derive(Debug)]
struct InUse {
    issued: IssuedUserSig,
    secrets: Arc<Secrets>,
}

impl InUse {
    fn new(issued: IssuedUserSig) -> Self {
        Self {
            secrets: Arc::new(Secrets::new([issued.user_sig.expose()])),
            issued,
        }
    }
}

/// A call that may be sent.
#[derive(Debug)]
pub struct SignedCall {
    /// Where to.
    pub uri: SignedUri,
    secrets: Arc<Secrets>,
}

impl SignedCall {
    /// What must not stand in the answer.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }
}

impl Signer {
    /// A signer whose UserSigs live for ten minutes: long enough for any call, too short to be worth stealing.
    pub fn new(
        endpoint: Endpoint,
        sdk_app_id: SdkAppId,
        key: SecretKey,
        admin: AdminAccount,
    ) -> Self {
        Self {
            endpoint,
            issuer: Issuer::new(sdk_app_id, key, Lifetime::ADMIN),
            admin,
            admin_sig: Arc::default(),
        }
    }

    /// How much this signer is like the other one.
    pub fn likeness(&self, other: &Self) -> Likeness {
        let (own, others) = (&self.issuer, &other.issuer);
        let is_same_app = own.sdk_app_id() == others.sdk_app_id();
        match is_same_app && self.endpoint == other.endpoint {
            true if self.admin == other.admin && own.signs_like(others) => Likeness::Same,
            true => Likeness::SameApp,
            false => Likeness::Other,
        }
    }

    /// The signer, going on from an earlier one: with its UserSig where that is the same, and no sooner with a new one.
    #[must_use]
    pub fn succeeding(mut self, earlier: &Self) -> Self {
        match self.likeness(earlier) {
            Likeness::Same => self.admin_sig = Arc::clone(&earlier.admin_sig),
            Likeness::SameApp => {
                let renewed_at = earlier.admin_sig.lock().renewed_at;
                self.admin_sig.lock().renewed_at = renewed_at;
            }
            Likeness::Other => {}
        }
        self
    }

    /// Where the calls go.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// In whose name they are made.
    pub fn admin(&self) -> AdminAccount {
        self.admin
    }

    /// Signs a call of `command`, `service/name` as the catalogue spells it. `random` names the request to Chat. The
    /// administrator's UserSig is used again while half of its life is left.
    pub fn sign(
        &self,
        command: &str,
        host: Host,
        random: u32,
        now: UnixTime,
    ) -> Result<SignedCall, IssueError> {
        let (user_sig, secrets) = self.admin_sig(now)?;
        // No letter of a UserSig or an account needs percent-encoding in a query.
        let uri = format!(
            "{}/v4/{command}?sdkappid={}&identifier={}&usersig={}&random={random}&contenttype=json",
            self.endpoint.base(host),
            self.issuer.sdk_app_id(),
            self.admin.0,
            user_sig.expose(),
        );
        Ok(SignedCall {
            uri: SignedUri(Zeroizing::new(uri)),
            secrets,
        })
    }

    /// Uses another UserSig from the next call on, since Chat refused the one in use; at most once in 10 s. Whether there
    /// is another one.
    pub fn renew(&self, now: UnixTime) -> bool {
        let mut admin_sig = self.admin_sig.lock();
        let pausing = |at: UnixTime| at <= now && now.saturating_since(at) < RENEWAL_PAUSE;
        if admin_sig.renewed_at.is_some_and(pausing) {
            return false;
        }
        admin_sig.renewed_at = Some(now);
        // Dated later than the one that may have been voided within this very second.
        let last = admin_sig.in_use.as_ref().map(|last| last.issued.issued_at);
        let date = last.map_or(now, |last| now.max(last.saturating_add(SECOND)));
        let issued = self.issuer.issue(&self.admin.0, date).ok();
        admin_sig.in_use = issued.map(InUse::new);
        true
    }

    fn admin_sig(&self, now: UnixTime) -> Result<(UserSig, Arc<Secrets>), IssueError> {
        let mut admin_sig = self.admin_sig.lock();
        let is_fresh = |issued: &IssuedUserSig| {
            let is_dated = issued.issued_at <= now.saturating_add(SECOND);
            is_dated && issued.expires_at.saturating_since(now) >= HALF_LIFE
        };
        let used = match admin_sig.in_use.take() {
            Some(used) if is_fresh(&used.issued) => used,
            Some(_) | None => InUse::new(self.issuer.issue(&self.admin.0, now)?),
        };
        let used = admin_sig.in_use.insert(used);
        Ok((used.issued.user_sig.clone(), Arc::clone(&used.secrets)))
    }
}

/// The command that voids every UserSig of a user, and logs the user out everywhere.
pub const KICK: &str = "im_open_login_svc/kick";

/// A URI that carries an administrator's UserSig.
pub struct SignedUri(Zeroizing<String>);

impl SignedUri {
    /// The URI, for the one request that it is for.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SignedUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedUri([redacted])")
    }
}

const RENEWAL_PAUSE: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
/// Of [`Lifetime::ADMIN`].
const HALF_LIFE: Duration = Duration::from_secs(300);

/// The regional hosts of the RESTful API Overview, each with its spare. An application belongs to one region; the host of
/// another answers 60026.
const REGIONS: [(&str, &str, &str); 7] = [
    ("china", "console.tim.qq.com", "adminapi.my-imcloud.com"),
    (
        "singapore",
        "adminapisgp.im.qcloud.com",
        "adminapisgp.my-imcloud.com",
    ),
    (
        "seoul",
        "adminapikr.im.qcloud.com",
        "adminapikr.my-imcloud.com",
    ),
    (
        "tokyo",
        "adminapijpn.im.qcloud.com",
        "adminapijpn.my-imcloud.com",
    ),
    (
        "frankfurt",
        "adminapiger.im.qcloud.com",
        "adminapiger.my-imcloud.com",
    ),
    (
        "silicon_valley",
        "adminapiusa.im.qcloud.com",
        "adminapiusa.my-imcloud.com",
    ),
    (
        "jakarta",
        "adminapiidn.im.qcloud.com",
        "adminapiidn.my-imcloud.com",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usersig::decode::Decoded;

    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
    const KEY: &str = "a-key-of-the-tests-that-is-long-enough";

    fn signer() -> Signer {
        Signer::new(
            Endpoint::of_region("singapore").unwrap(),
            SdkAppId::new(20_001_234).unwrap(),
            SecretKey::parse(KEY).unwrap(),
            AdminAccount::parse("administrator").unwrap(),
        )
    }

    #[test]
    fn a_call_carries_our_five_parameters_and_a_short_lived_signature() {
        let uri = signer().sign(KICK, Host::Main, 7, NOW).unwrap().uri;
        let (before, query) = uri.expose().split_once('?').unwrap();
        assert_eq!(
            before,
            "https://adminapisgp.im.qcloud.com/v4/im_open_login_svc/kick"
        );
        let pairs: Vec<_> = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap())
            .collect();
        let names: Vec<_> = pairs.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            ["sdkappid", "identifier", "usersig", "random", "contenttype"]
        );
        assert_eq!(
            (pairs[0].1, pairs[1].1, pairs[3].1),
            ("20001234", "administrator", "7")
        );
        let decoded = Decoded::parse(pairs[2].1).unwrap();
        assert_eq!(
            (decoded.identifier.as_str(), decoded.expire),
            ("administrator", 600)
        );
        assert_eq!(decoded.verify(&SecretKey::parse(KEY).unwrap(), NOW), Ok(()));
    }

    fn sig_of(signer: &Signer, host: Host, now: UnixTime) -> (String, String) {
        let call = signer.sign(KICK, host, 7, now).unwrap();
        let (base, rest) = call.uri.expose().split_once("/v4/").unwrap();
        assert!(call.secrets().are_in(rest.as_bytes()));
        let sig = rest
            .split("usersig=")
            .nth(1)
            .unwrap()
            .split('&')
            .next()
            .unwrap();
        (base.to_owned(), sig.to_owned())
    }

    #[test]
    fn a4_the_administrators_usersig_is_renewed_ahead_and_when_chat_refuses_it() {
        let (signer, later) = (signer(), |seconds| {
            NOW.saturating_add(Duration::from_secs(seconds))
        });
        let sig = |now| sig_of(&signer, Host::Main, now).1;
        let first = sig(NOW);
        assert_eq!(sig(later(300)), first);
        let second = sig(later(301));
        assert_ne!(second, first);
        // Refused within its own second: the next is dated later.
        assert!(signer.renew(later(301)));
        let third = sig(later(301));
        assert_ne!(third, second);
        let decoded = Decoded::parse(&third).unwrap();
        assert_eq!(u64::from(decoded.time), later(302).as_secs());
        assert!(!signer.renew(later(310)), "once in 10 s");
        assert_eq!(sig(later(310)), third);
        assert!(signer.renew(later(311)));
        assert_ne!(sig(later(311)), third);
        // A clock that is set back leaves none that is dated ahead.
        assert_ne!(sig(NOW), sig(later(311)));
    }

    #[test]
    fn a_successor_signs_as_before_and_renews_no_sooner() {
        let with = |region: &str, app, key, admin| {
            Signer::new(
                Endpoint::of_region(region).unwrap(),
                SdkAppId::new(app).unwrap(),
                SecretKey::parse(key).unwrap(),
                AdminAccount::parse(admin).unwrap(),
            )
        };
        let other_key = "another-key-of-the-tests-that-is-long-enough";
        for (after, likeness, may_renew) in [
            (signer(), Likeness::Same, false),
            (
                with("singapore", 20_001_234, other_key, "administrator"),
                Likeness::SameApp,
                false,
            ),
            (
                with("singapore", 20_001_234, KEY, "root"),
                Likeness::SameApp,
                false,
            ),
            (
                with("singapore", 20_001_235, KEY, "administrator"),
                Likeness::Other,
                true,
            ),
            (
                with("tokyo", 20_001_234, KEY, "administrator"),
                Likeness::Other,
                true,
            ),
        ] {
            let before = signer();
            sig_of(&before, Host::Main, NOW);
            assert!(before.renew(NOW));
            assert_eq!(after.likeness(&before), likeness);
            let after = after.succeeding(&before);
            let sig = sig_of(&after, Host::Main, NOW).1;
            let is_in_use = sig == sig_of(&before, Host::Main, NOW).1;
            assert_eq!(is_in_use, likeness == Likeness::Same, "{likeness:?}");
            let soon = NOW.saturating_add(Duration::from_secs(9));
            assert_eq!(after.renew(soon), may_renew, "{likeness:?}");
        }
    }

    #[test]
    fn a_region_has_a_spare_host_and_an_endpoint_has_none() {
        assert_eq!(
            sig_of(&signer(), Host::Spare, NOW).0,
            "https://adminapisgp.my-imcloud.com"
        );
        assert!(signer().endpoint().has_spare());
        let own = Endpoint::parse("https://chat.example").unwrap();
        assert!(!own.has_spare() && own.base(Host::Spare) == "https://chat.example");
    }

    #[test]
    fn nothing_prints_a_signed_uri() {
        let uri = signer().sign(KICK, Host::Main, 7, NOW).unwrap().uri;
        let printed = format!("{uri:?} {:?}", signer());
        assert!(!printed.contains("eJ"), "{printed}");
        assert!(!printed.contains(KEY), "{printed}");
    }

    #[test]
    fn endpoints_are_https_or_on_loopback() {
        for (text, good) in [
            ("https://console.tim.qq.com", true),
            ("https://chat.example:8443/", true),
            ("http://127.0.0.1:8090", true),
            ("http://[::1]:8090", true),
            ("http://console.tim.qq.com", false),
            ("http://localhost.example", false),
            ("https://user@chat.example", false),
            ("https://chat.example/v4", false),
            ("https://chat.example?x=1", false),
            ("ftp://127.0.0.1", false),
            ("chat.example", false),
            ("", false),
        ] {
            assert_eq!(Endpoint::parse(text).is_ok(), good, "{text}");
        }
        assert_eq!(Endpoint::of_region("atlantis"), Err(EndpointError::Region));
        assert!(Endpoint::of_region("china").is_ok());
    }
}
