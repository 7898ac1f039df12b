//! `check`: is a configuration good?

mod json;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::cli::{CliError, load};
use crate::config::{self, LoadError, Site};
use crate::server::{Live, Published, fetch_key_sets, prove};

/// Check configuration files without starting anything
///
/// Reports every error at once, each with file, line, column, key and a hint, and warnings for what works but is weak.
/// Reads the secrets that the file refers to, so run it where the proxy will run. Exit code 0: good, 1: errors,
/// 2: a file cannot be read.
///
/// With --live it then asks Chat, for each site whose [chat] has a region or endpoint: one harmless read, whether the
/// admin's own account exists, sent once. It proves SDKAppID, key, admin and host, or says what is wrong with them. And it
/// fetches the key sets that issuers publish, once each.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  CHAT_SECRET_KEY=… usersig-proxy check proxy.toml && systemctl restart usersig-proxy
  CHAT_SECRET_KEY=… usersig-proxy check --live proxy.toml
  usersig-proxy check --format json proxy.toml | jq '.files[].errors[]'
  usersig-proxy check --schema > usersig-proxy.schema.json

An editor that knows TOML completes and checks a file that begins with
  #:schema ./usersig-proxy.schema.json")]
pub(super) struct Check {
    /// Configuration files
    #[arg(value_name = "FILE", required_unless_present_any = ["config", "schema"])]
    files: Vec<PathBuf>,

    /// A configuration file, as `run` takes it
    #[arg(short, long, value_name = "FILE")]
    config: Vec<PathBuf>,

    /// Also ask Chat whether it takes our calls, and issuers for their keys
    #[arg(long)]
    live: bool,

    /// How the verdict is printed
    #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
    format: CheckFormat,

    /// Print a JSON Schema of configuration files instead of checking one
    #[arg(long, conflicts_with_all = ["files", "config", "live", "format"])]
    schema: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    /// Lines: good files and warnings on standard output, errors on standard error
    Text,
    /// One JSON object on standard output: files, each with good, errors, warnings and live
    Json,
}

impl Check {
    pub(super) fn run(self) -> Result<(), CliError> {
        if self.schema {
            let mut out = io::stdout().lock();
            serde_json::to_writer_pretty(&mut out, &config::schema()).map_err(io::Error::from)?;
            return Ok(writeln!(out)?);
        }
        let files: Vec<_> = self.files.iter().chain(&self.config).collect();
        if self.format == CheckFormat::Json {
            return json::check(&files, self.live);
        }
        let mut errors: Vec<_> = files
            .iter()
            .filter_map(|file| check(file, self.live).err())
            .collect();
        // The worst comes last and gives the exit code.
        errors.sort_by_key(CliError::exit_code);
        let worst = errors.pop();
        for error in errors {
            writeln!(io::stderr(), "{error}")?;
        }
        worst.map_or(Ok(()), Err)
    }
}

/// Prints what is to be said of a good file, and the warnings of a bad one.
fn check(file: &Path, is_live: bool) -> Result<(), CliError> {
    let loaded = load(file);
    let warnings = match &loaded {
        Ok(config) => &config.warnings,
        Err(CliError::Config(LoadError::Invalid(found))) => &found.warnings,
        Err(_) => &Vec::new(),
    };
    let mut out = io::stdout().lock();
    for warning in warnings {
        writeln!(out, "warning: {warning}")?;
    }
    let sites = loaded?.sites;
    writeln!(out, "{}: good ({})", file.display(), extent(&sites))?;
    match is_live {
        true => ask(file, &sites, &mut out),
        false => Ok(()),
    }
}

/// Prints a line for each site: what Chat itself says of it; and one for each key set.
fn ask(file: &Path, sites: &[Site], out: &mut impl Write) -> Result<(), CliError> {
    let mut failed = Vec::new();
    for proof in proofs(sites)? {
        let line = format!("{}: site {}: ", file.display(), proof.site);
        match proof.said {
            Ok(said) => writeln!(out, "{line}{said}")?,
            Err(fault) => failed.push(format!("{line}{fault}")),
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(CliError::Refused(failed.join("\n"))),
    }
}

/// What the network says of a site, in words: good or wrong.
struct Proof {
    site: String,
    /// Of whose key set; `None` where it is Chat that speaks.
    issuer: Option<String>,
    said: Result<String, String>,
}

/// What Chat and the issuers say, site by site.
fn proofs(sites: &[Site]) -> Result<Vec<Proof>, CliError> {
    let unable = |error| CliError::Refused(format!("cannot call Chat: {error}"));
    let chat = prove(sites).map_err(unable)?;
    let key_sets = fetch_key_sets(sites).map_err(unable)?;
    let mut proofs = Vec::new();
    for ((site, live), published) in sites.iter().zip(chat).zip(key_sets) {
        proofs.push(Proof {
            site: site.name.clone(),
            issuer: None,
            said: of_chat(site, &live),
        });
        proofs.extend(published.into_iter().map(|set| Proof {
            site: site.name.clone(),
            said: of_issuer(&set),
            issuer: Some(set.issuer),
        }));
    }
    Ok(proofs)
}

fn of_chat(site: &Site, live: &Live) -> Result<String, String> {
    let (app, admin) = (site.chat.sdk_app_id, &site.chat.admin);
    match live {
        Live::Proven => Ok(format!(
            "Chat takes its calls: SDKAppID {app}, key, admin {admin:?} and host are right"
        )),
        Live::NothingToTry => {
            Ok("nothing to try: [chat] has neither region nor endpoint".to_owned())
        }
        Live::Failed(fault) => Err(fault.to_string()),
    }
}

fn of_issuer(set: &Published) -> Result<String, String> {
    let issuer = &set.issuer;
    match &set.keys {
        Ok((keys, ignored)) => Ok(format!(
            "issuer {issuer} publishes its keys: {keys} of use, {ignored} ignored"
        )),
        Err(error) => Err(format!("the keys of issuer {issuer}: {error}")),
    }
}

/// The number of sites and of the hosts that they answer for.
fn extent(sites: &[Site]) -> String {
    let count = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    };
    let hosts = match hosts(sites) {
        0 => "any host".to_owned(),
        number => count(number, "host"),
    };
    format!("{}, {hosts}", count(sites.len(), "site"))
}

fn hosts(sites: &[Site]) -> usize {
    sites.iter().map(|site| site.hosts.len()).sum()
}
