//! `inspect`: what a UserSig or a session token says, and whether it is good.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::authorize::ClaimRules;
use crate::cli::{CliError, choose_site, load};
use crate::config::Site;
use crate::json::{Object, parse_object};
use crate::time::UnixTime;
use crate::token::{BearerToken, TokenError};
use crate::usersig::decode::{Decoded, VerifyError};
use crate::usersig::ring::KeyState;

/// Show what a UserSig or a session token says
///
/// Decodes it without its credential part: a UserSig's signature and the values of a token's private claims are not
/// shown. With --config it is verified as well, and a session token is mapped to its UserID. Exit code 1 when it is not
/// good.
#[derive(clap::Args)]
#[command(
    after_help = "Give it on standard input, so that it does not stand in the list of processes:
  usersig-proxy mint -c proxy.toml -u 27149 | usersig-proxy inspect -c proxy.toml"
)]
pub(super) struct Inspect {
    /// The configuration whose keys verify it
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// With several sites: which one, by the name of its file without .toml
    #[arg(long, value_name = "NAME", requires = "config")]
    site: Option<String>,

    /// The UserSig or session token; read from standard input when left out
    #[arg(value_name = "TEXT")]
    text: Option<String>,
}

impl Inspect {
    pub(super) fn run(self) -> Result<(), CliError> {
        let config = self.config.as_deref().map(load).transpose()?;
        let choose = |config| choose_site(config, self.site.as_deref());
        let site = config.map(choose).transpose()?;
        let text = match self.text {
            Some(text) => text,
            None => read_stdin()?,
        };
        let text = text.trim();
        let now = UnixTime::from(SystemTime::now());
        match text.contains('.') {
            true => inspect_token(text, site.as_ref(), now),
            false => inspect_usersig(text, site.as_ref(), now),
        }
    }
}

fn inspect_usersig(text: &str, site: Option<&Site>, now: UnixTime) -> Result<(), CliError> {
    let decoded = Decoded::parse(text)
        .map_err(|error| CliError::Refused(format!("not a UserSig: {error}")))?;
    let mut out = io::stdout().lock();
    writeln!(out, "UserSig")?;
    writeln!(out, "  UserID     {}", printable(&decoded.identifier))?;
    writeln!(out, "  SDKAppID   {}", decoded.sdk_app_id)?;
    writeln!(out, "  issued     {}", moment(decoded.time.into()))?;
    writeln!(out, "  valid for  {} s", decoded.expire)?;
    writeln!(
        out,
        "  expires    {}",
        moment(decoded.expires_at().as_secs())
    )?;
    if let Some(userbuf) = &decoded.userbuf {
        writeln!(out, "  userbuf    {} bytes", userbuf.len())?;
    }
    let Some(site) = site else {
        writeln!(out, "  verified   no: give --config to verify it")?;
        return Ok(());
    };
    if decoded.sdk_app_id != site.chat.sdk_app_id.get() {
        return Err(refuse("it is for another SDKAppID than configured"));
    }
    let signer = site.chat.keys.signer_of(&decoded);
    let (key, state) = signer.ok_or_else(|| refuse(&VerifyError::Signature.to_string()))?;
    if let Some(id) = &key.id {
        writeln!(out, "  key        {id}, {state}")?;
    }
    if state == KeyState::Retired {
        return Err(refuse("its key is retired"));
    }
    decoded
        .check_life(now)
        .map_err(|error| refuse(&error.to_string()))?;
    writeln!(out, "  verified   yes")?;
    Ok(())
}

fn inspect_token(text: &str, site: Option<&Site>, now: UnixTime) -> Result<(), CliError> {
    let not_a_token = |error| CliError::Refused(format!("not a session token: {error}"));
    let token = BearerToken::parse(text).map_err(not_a_token)?;
    let mut parts = text.split('.').map(decode_part);
    let mut out = io::stdout().lock();
    writeln!(out, "Session token")?;
    print_members(&mut out, "header", parts.next().flatten(), &PUBLIC_HEADER)?;
    print_members(&mut out, "claims", parts.next().flatten(), &PUBLIC_CLAIMS)?;
    let Some(site) = site else {
        writeln!(out, "  verified   no: give --config to verify it")?;
        return Ok(());
    };
    let session = site
        .authorizer
        .verifier
        .verify(&token, now)
        .map_err(|error| match error {
            TokenError::KeysUnavailable => refuse(PUBLISHED),
            error => refuse(&error.to_string()),
        })?;
    writeln!(
        out,
        "  verified   yes, as issuer {:?}",
        session.issuer_name()
    )?;
    let rules = site.authorizer.claim_rules.get(session.issuer());
    match rules.map(|rules| admitted(rules, session.claims())) {
        Some(Ok(user)) => writeln!(out, "  UserID     {user}")?,
        Some(Err(reason)) => return Err(refuse(&reason)),
        None => {}
    }
    Ok(())
}

fn admitted(rules: &ClaimRules, claims: &Object) -> Result<String, String> {
    if let Some(claim) = rules.unmet(claims) {
        return Err(format!("the claim {claim} is not as required"));
    }
    let user = rules.identity.map(claims);
    user.map(|user| user.to_string())
        .map_err(|error| error.to_string())
}

fn decode_part(part: &str) -> Option<Object> {
    parse_object(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Names of all members; values only of those that identify nobody.
fn print_members(
    out: &mut impl Write,
    title: &str,
    members: Option<Object>,
    public: &[&str],
) -> io::Result<()> {
    let Some(members) = members else {
        return writeln!(out, "  {title}     not a strict JSON object");
    };
    writeln!(out, "  {title}")?;
    for (name, value) in &members {
        let shown = match value {
            Value::Number(number) if TIMES.contains(&name.as_str()) => {
                number.as_u64().map_or_else(|| number.to_string(), moment)
            }
            value if public.contains(&name.as_str()) => printable(&value.to_string()),
            value => format!("({})", kind(value)),
        };
        writeln!(out, "    {:<10} {shown}", printable(name))?;
    }
    Ok(())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number with a fraction",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A stranger's text without anything that a terminal would obey or hide.
fn printable(text: &str) -> String {
    let escape = |letter: char| match letter {
        '"' | '\'' | '\\' => letter.to_string(),
        _ => letter.escape_debug().to_string(),
    };
    text.chars().map(escape).collect()
}

fn refuse(reason: &str) -> CliError {
    CliError::Refused(format!("not verified: {reason}"))
}

fn moment(seconds: u64) -> String {
    // The formatter knows years up to 9999.
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds.min(LAST_SECOND)));
    let text = time.map(|time| humantime::format_rfc3339_seconds(time).to_string());
    format!("{seconds} ({})", text.unwrap_or_default())
}

fn read_stdin() -> Result<String, CliError> {
    let mut text = String::new();
    io::stdin()
        .take(MAX_INPUT_BYTES)
        .read_to_string(&mut text)
        .map_err(|source| CliError::Unreadable {
            name: "standard input".to_owned(),
            source,
        })?;
    Ok(text)
}

/// Nothing is fetched here: who inspects a token should not make this machine call others.
const PUBLISHED: &str =
    "its issuer publishes its keys, and this command fetches none; a running proxy does";
const MAX_INPUT_BYTES: u64 = 64 * 1024;
const LAST_SECOND: u64 = 253_402_300_799;
const TIMES: [&str; 4] = ["exp", "nbf", "iat", "auth_time"];
const PUBLIC_HEADER: [&str; 3] = ["alg", "typ", "kid"];
const PUBLIC_CLAIMS: [&str; 2] = ["iss", "aud"];
