//! `mint`: UserSigs on the command line, for operators and load tests.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::ValueEnum;
use serde::Serialize;

use crate::cli::{CliError, SiteOfFile};
use crate::config::Site;
use crate::identity::UserId;
use crate::time::UnixTime;
use crate::usersig::{IssuedUserSig, Issuer};

/// Print UserSigs for one or many users
///
/// Signs with the application, key and lifetime of the configuration. Names that are reserved for administrators are
/// refused. Of a list, every good line gets its UserSig, and every bad one is named on standard error with its number.
/// Who can run this can log in as any user: run it where the key is, and nowhere else. Exit code 0; 1: a name or line is
/// refused, or the configuration has errors; 2: wrong usage, or a file cannot be read.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  usersig-proxy mint --config conf/quickstart.toml --user 27149
  usersig-proxy mint --config conf/quickstart.toml --users names.txt --format json
  seq 1000 | usersig-proxy mint --config conf/quickstart.toml --users -")]
pub(super) struct Mint {
    #[command(flatten)]
    of: SiteOfFile,

    /// A UserID; may be given several times
    #[arg(short, long, value_name = "USERID", required_unless_present = "users")]
    user: Vec<String>,

    /// A file with one UserID a line; "-" is standard input
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,

    /// How each UserSig is printed
    #[arg(long, value_enum, default_value_t = MintFormat::Text)]
    format: MintFormat,
}

#[derive(Clone, Copy, ValueEnum)]
enum MintFormat {
    /// The UserSig alone for one `--user`, else UserID, tab, UserSig
    Text,
    /// One JSON object a line: sdkAppId, userId, userSig, expiresAt
    Json,
}

/// A line of JSON: the endpoint's members but for `refreshAfter`, since nothing is kept.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    sdk_app_id: u32,
    user_id: &'a str,
    user_sig: &'a str,
    expires_at: u64,
}

impl Mint {
    pub(super) fn run(self) -> Result<(), CliError> {
        let site = self.of.load()?;
        let minter = Minter {
            now: UnixTime::from(SystemTime::now()),
            bare: self.users.is_none() && self.user.len() == 1,
            format: self.format,
            site: &site,
        };
        let mut output = BufWriter::new(io::stdout().lock());
        for name in &self.user {
            minter.mint(name, &mut output)?;
        }
        let minted = match &self.users {
            Some(file) => minter.mint_all(file, &mut output),
            None => Ok(()),
        };
        // What was made is printed, also when some lines were bad.
        output.flush()?;
        minted
    }
}

struct Minter<'a> {
    site: &'a Site,
    now: UnixTime,
    format: MintFormat,
    bare: bool,
}

impl Minter<'_> {
    /// Prints a UserSig for each line, and says of each bad one why it has none.
    fn mint_all(&self, file: &Path, output: &mut impl Write) -> Result<(), CliError> {
        let name = match file.as_os_str() == "-" {
            true => "standard input".to_owned(),
            false => file.display().to_string(),
        };
        let unreadable = |source| CliError::Unreadable {
            name: name.clone(),
            source,
        };
        let mut input: Box<dyn BufRead> = match file.as_os_str() == "-" {
            true => Box::new(io::stdin().lock()),
            false => Box::new(BufReader::new(File::open(file).map_err(unreadable)?)),
        };
        let (mut bad, mut line) = (0_u64, Vec::new());
        for number in 1_u64.. {
            if !next_line(&mut input, &mut line).map_err(unreadable)? {
                break;
            }
            let user = str::from_utf8(&line).map(str::trim);
            let minted = match user {
                Ok("") => continue,
                Ok(user) => self.mint(user, output),
                Err(_) => Err(CliError::Refused("is not UTF-8".to_owned())),
            };
            match minted {
                Err(CliError::Refused(why)) => {
                    bad += 1;
                    writeln!(io::stderr(), "{name}:{number}: {why}")?;
                }
                other => other?,
            }
        }
        match bad {
            0 => Ok(()),
            1 => Err(CliError::Refused(format!(
                "{name}: 1 line without a UserSig"
            ))),
            bad => Err(CliError::Refused(format!(
                "{name}: {bad} lines without a UserSig"
            ))),
        }
    }

    fn mint(&self, name: &str, output: &mut impl Write) -> Result<(), CliError> {
        let user = UserId::parse(name, &self.site.chat.reserved)
            .map_err(|error| CliError::Refused(format!("user {name:?}: {error}")))?;
        let issuer: &Issuer = &self.site.authorizer.issuer;
        let issued = issuer
            .issue(&user, self.now)
            .map_err(|error| CliError::Refused(error.to_string()))?;
        self.print(&user, &issued, output)?;
        Ok(())
    }

    fn print(
        &self,
        user: &UserId,
        issued: &IssuedUserSig,
        output: &mut impl Write,
    ) -> io::Result<()> {
        let user_sig = issued.user_sig.expose();
        match self.format {
            MintFormat::Text if self.bare => writeln!(output, "{user_sig}"),
            MintFormat::Text => writeln!(output, "{user}\t{user_sig}"),
            MintFormat::Json => {
                let line = Line {
                    sdk_app_id: self.site.chat.sdk_app_id.get(),
                    user_id: user.as_str(),
                    user_sig,
                    expires_at: issued.expires_at.as_secs(),
                };
                serde_json::to_writer(&mut *output, &line)?;
                writeln!(output)
            }
        }
    }
}

/// Reads a line without keeping more of it than a UserID could need; `false` at the end.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = input.take(MAX_LINE_BYTES).read_until(b'\n', line)?;
    if read > 0 && line.last() != Some(&b'\n') {
        input.skip_until(b'\n')?;
    }
    Ok(read > 0)
}

/// Longer than any UserID with blanks around it; what is cut off is too long already.
const MAX_LINE_BYTES: u64 = 1024;
