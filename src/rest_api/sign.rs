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

use zeroize::Zeroizing;

use crate::identity::{ReservedNames, UserId, UserIdError};
use crate::time::UnixTime;
use crate::usersig::{IssueError, Issuer, Lifetime, SdkAppId, SecretKey};

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

impl fmt::Debug for AdminAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdminAccount({})", self.0)
    }
}

/// Where an application's REST API is: scheme and authority, no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(String);

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
            .find(|(region, _)| *region == name)
            .map(|(_, host)| Self(format!("https://{host}")))
            .ok_or(EndpointError::Region)
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
            Some("https") if !has_more => Ok(Self(plain)),
            Some("http") if !has_more && is_loopback => Ok(Self(plain)),
            _ => Err(EndpointError::Form),
        }
    }

    /// Whether calls to it are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        let authority = self.0.split("://").nth(1).unwrap_or_default();
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
#[derive(Clone, Debug)]
pub struct Signer {
    endpoint: Endpoint,
    issuer: Issuer,
    admin: AdminAccount,
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
        }
    }

    /// Where the calls go.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Signs a call of `command`, `service/name` as the catalogue spells it. `random` names the request to Chat.
    pub fn sign(
        &self,
        command: Command,
        random: u32,
        now: UnixTime,
    ) -> Result<SignedUri, IssueError> {
        let issued = self.issuer.issue(&self.admin.0, now)?;
        // No letter of a UserSig or an account needs percent-encoding in a query.
        let uri = format!(
            "{}/v4/{}?sdkappid={}&identifier={}&usersig={}&random={random}&contenttype=json",
            self.endpoint.0,
            command.as_str(),
            self.issuer.sdk_app_id(),
            self.admin.0,
            issued.user_sig.expose(),
        );
        Ok(SignedUri(Zeroizing::new(uri)))
    }
}

/// A command that the proxy calls in its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Voids every UserSig that a user has, and logs the user out everywhere.
    Kick,
}

impl Command {
    /// Service and name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kick => "im_open_login_svc/kick",
        }
    }
}

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

/// The regional hosts of the RESTful API Overview. An application belongs to one; another host answers 60026.
const REGIONS: [(&str, &str); 7] = [
    ("china", "console.tim.qq.com"),
    ("singapore", "adminapisgp.im.qcloud.com"),
    ("seoul", "adminapikr.im.qcloud.com"),
    ("tokyo", "adminapijpn.im.qcloud.com"),
    ("frankfurt", "adminapiger.im.qcloud.com"),
    ("silicon_valley", "adminapiusa.im.qcloud.com"),
    ("jakarta", "adminapiidn.im.qcloud.com"),
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
        let uri = signer().sign(Command::Kick, 7, NOW).unwrap();
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

    #[test]
    fn nothing_prints_a_signed_uri() {
        let uri = signer().sign(Command::Kick, 7, NOW).unwrap();
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
