//! `fixtures`: the users of a load test, with their session tokens, UserIDs and UserSigs.

mod claims;
mod crowd;
mod files;
mod signer;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use clap::value_parser;

use self::claims::{Claims, Wanted};
use self::crowd::Crowd;
use self::files::{Folder, Form};
use self::signer::{Made, Signer};
use crate::authorize::ClaimRules;
use crate::cli::{CliError, SiteOfFile};
use crate::config::Site;
use crate::time::UnixTime;
use crate::token::keys::{Algorithm, KeySet};
use crate::token::verify::{TokenIssuer, Verifier};
use crate::token::{BearerToken, TokenError};

/// Write the users of a load test: session tokens, UserIDs and UserSigs
///
/// The users are load-1, load-2 and so on, in the form that the configuration's [identity] takes; none is an
/// administrator. The tokens say what the configuration asks for, and the first and the last of them are verified by it.
/// HMAC tokens are signed with its secret. For other algorithms give the app's private key, or leave it out: then a key pair
/// is made, and the line that the configuration of the load test needs is printed. The files let their reader log in as
/// these users: they have mode 0600, in a folder of mode 0700, and no other file is overwritten. Exit code 0; 1: the
/// configuration, the key or the folder does not serve; 2: wrong usage, or a file cannot be read.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  usersig-proxy fixtures --config conf/quickstart.toml --users 10000 --out load
  usersig-proxy fixtures --config proxy.toml --users 10000 --out load --algorithm ES256

Then run a script of conf/load, which has one each for k6, wrk, JMeter and Locust.")]
pub(super) struct Fixtures {
    #[command(flatten)]
    of: SiteOfFile,

    /// How many users
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=100_000_000))]
    users: u64,

    /// The number of the first user
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u64).range(..1 << 40))]
    first: u64,

    /// What a subject has before its number, where it is neither an integer nor a UUID
    #[arg(long, value_name = "TEXT", default_value = "load-")]
    prefix: String,

    /// The folder for the files; made when it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Which files; all three when left out
    #[arg(long, value_enum)]
    format: Vec<Form>,

    /// Whose tokens, by the name in the configuration; its first issuer's when left out
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,

    /// The algorithm, one of the issuer's; its first when left out
    #[arg(long, value_name = "NAME", value_parser = Algorithm::parse)]
    algorithm: Option<Algorithm>,

    /// For RS*, PS*, ES* and EdDSA: the app's private key, in PEM
    #[arg(long, value_name = "FILE")]
    signing_key: Option<PathBuf>,

    /// The kid of the tokens that this key signs
    #[arg(long, value_name = "ID", requires = "signing_key")]
    key_id: Option<String>,

    /// How long the tokens are valid, within session.max_lifetime
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = humantime::parse_duration)]
    valid_for: Duration,

    /// A role of every user, in the claim that rest_api.roles_claim names; may be given several times
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
}

/// Whose tokens are made, and by what they are judged.
struct Issuing<'a> {
    site: &'a Site,
    index: usize,
    issuer: &'a TokenIssuer,
    rules: &'a ClaimRules,
    algorithm: Algorithm,
    now: UnixTime,
}

impl Fixtures {
    pub(super) fn run(self) -> Result<(), CliError> {
        let site = self.of.load()?;
        let issuing = self.issuing(&site)?;
        let claims = self.claims(&issuing)?;
        let (signer, made) = self.signer(&issuing)?;
        let crowd = Crowd {
            rules: issuing.rules,
            issuer: &site.authorizer.issuer,
            now: issuing.now,
            claims,
            signer,
        };
        let last = self.first + self.users - 1;
        let is_known = issuing.judge(&crowd, &[self.first, last], made.as_ref())?;
        let forms = match self.format.is_empty() {
            true => vec![Form::Json, Form::Tsv, Form::Csv],
            false => self.format.clone(),
        };
        let mut folder = Folder::open(&self.out)?;
        if let Some(made) = &made {
            for (name, text) in [(PRIVATE_KEY, made.private.as_str()), (KEY_SET, &made.set)] {
                let file = folder.begin(name)?;
                folder.write(file, text.as_bytes())?;
            }
        }
        crowd.write(self.first..=last, &forms, &mut folder)?;
        folder.finish()?;
        self.report(&issuing, &forms, made.is_some(), is_known)
    }

    fn issuing<'a>(&self, site: &'a Site) -> Result<Issuing<'a>, CliError> {
        let issuers: Vec<_> = site.authorizer.verifier.issuers().collect();
        let names: Vec<_> = issuers.iter().map(|one| one.name.as_str()).collect();
        let found = match &self.issuer {
            Some(name) => names.iter().position(|one| one == name),
            None => Some(0),
        };
        let refuse = || {
            let names = names.join(" | ");
            CliError::Refused(format!("there is no such issuer: --issuer {names}"))
        };
        let index = found.ok_or_else(refuse)?;
        let issuer = *issuers.get(index).ok_or_else(refuse)?;
        let rules = site.authorizer.claim_rules.get(index).ok_or_else(refuse)?;
        let algorithms = &issuer.algorithms;
        let algorithm = self.algorithm.or(algorithms.first().copied());
        let algorithm = algorithm.filter(|one| algorithms.contains(one));
        Ok(Issuing {
            site,
            index,
            issuer,
            rules,
            algorithm: algorithm.ok_or_else(|| {
                let names: Vec<_> = algorithms.iter().map(|one| one.name()).collect();
                let names = names.join(" | ");
                let name = &issuer.name;
                CliError::Refused(format!("tokens of issuer {name} have --algorithm {names}"))
            })?,
            now: UnixTime::from(SystemTime::now()),
        })
    }

    fn claims(&self, issuing: &Issuing<'_>) -> Result<Claims, CliError> {
        let roles = match self.role.is_empty() {
            true => None,
            false => {
                let rest_api = issuing.site.rest_api.as_ref();
                let claims = rest_api.map(|settings| &settings.roles_claims);
                let claim = claims.and_then(|claims| claims.get(issuing.index));
                let text = "--role has a meaning only where the configuration has [rest_api]";
                let claim = claim.ok_or_else(|| CliError::Refused(text.to_owned()))?;
                Some((claim, self.role.as_slice()))
            }
        };
        let wanted = Wanted {
            now: issuing.now,
            valid_for: self.valid_for,
            prefix: &self.prefix,
            roles,
        };
        let claims = Claims::new(issuing.issuer, issuing.rules, &wanted);
        let text = "two claims that the configuration asks for stand in one place of the token";
        claims.ok_or_else(|| CliError::Refused(text.to_owned()))
    }

    /// What signs the tokens, and the key pair if it is new.
    fn signer(&self, issuing: &Issuing<'_>) -> Result<(Signer, Option<Made>), CliError> {
        let algorithm = issuing.algorithm;
        if let Some(signer) = Signer::of_secret(&issuing.issuer.keys, algorithm) {
            return match &self.signing_key {
                None => Ok((signer, None)),
                Some(_) => Err(CliError::Refused(format!(
                    "{algorithm} signs with the secret of the configuration: leave --signing-key out"
                ))),
            };
        }
        if let Some(file) = &self.signing_key {
            let signer = Signer::of_file(file, algorithm, self.key_id.as_deref())?;
            return Ok((signer, None));
        }
        let unable = || CliError::Refused("no key pair can be made".to_owned());
        let (signer, made) = Made::new(algorithm).ok_or_else(unable)?;
        Ok((signer, Some(made)))
    }

    fn report(
        &self,
        issuing: &Issuing<'_>,
        forms: &[Form],
        is_new: bool,
        is_known: bool,
    ) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        let (name, algorithm) = (&issuing.issuer.name, issuing.algorithm);
        let users = match self.users {
            1 => "1 user".to_owned(),
            users => format!("{users} users"),
        };
        let end = issuing.now.saturating_add(self.valid_for).as_secs();
        let end = UNIX_EPOCH.checked_add(Duration::from_secs(end.min(LAST_SECOND)));
        let end = end.map(|end| humantime::format_rfc3339_seconds(end).to_string());
        let end = end.unwrap_or_default();
        let folder = self.out.display();
        writeln!(
            out,
            "{folder}: {users}, {algorithm} tokens of issuer {name} until {end}"
        )?;
        for form in forms {
            writeln!(out, "  {:<12}{}", form.name(), form.tools())?;
        }
        if is_new {
            let set = self.out.join(KEY_SET);
            let set = set.canonicalize().unwrap_or(set);
            let set = serde_json::Value::from(set.to_string_lossy());
            writeln!(
                out,
                "Their key pair is new. In the configuration of the load test, and in no other, issuer {name} needs\n  keys = \
                 {{ jwks_file = {set} }}"
            )?;
        } else if !is_known {
            writeln!(
                out,
                "Issuer {name} publishes its keys, and none were fetched: whether they take these tokens is not known here."
            )?;
        }
        Ok(())
    }
}

impl Issuing<'_> {
    /// Whether the configuration takes the tokens of these users as theirs; `false` where its keys are published.
    fn judge(
        &self,
        crowd: &Crowd<'_>,
        numbers: &[u64],
        made: Option<&Made>,
    ) -> Result<bool, CliError> {
        let verifier = &self.site.authorizer.verifier;
        let verifier: Verifier = match made {
            Some(made) => {
                let set = KeySet::from_jwks(made.set.as_bytes(), &[self.algorithm]);
                let (keys, _) = set.map_err(|error| CliError::Refused(error.to_string()))?;
                verifier.with_keys(self.index, keys)
            }
            None => verifier.clone(),
        };
        let refuse = |error: TokenError| {
            CliError::Refused(format!(
                "the configuration does not take such a token of issuer {}: {error}",
                self.issuer.name
            ))
        };
        for number in numbers {
            let token = crowd.member(*number, &SystemRandom::new())?.token;
            let token = BearerToken::parse(&token).map_err(refuse)?;
            match verifier.verify(&token, self.now) {
                Ok(_) => {}
                Err(TokenError::KeysUnavailable) => return Ok(false),
                Err(error) => return Err(refuse(error)),
            }
        }
        Ok(true)
    }
}

const PRIVATE_KEY: &str = "signing-key.pem";
const KEY_SET: &str = "keys.json";
/// The formatter of times knows years up to 9999.
const LAST_SECOND: u64 = 253_402_300_799;
