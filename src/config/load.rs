//! Reads the configuration's files: the main one and, where that names them, one for each site.
//!
//! Every fault of every file is reported at once. What was read is noted on the way, secrets and keys too, so that a
//! change of any of it can be seen.

use std::cell::RefCell;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::effective::Effective;
use super::error::{Diagnostics, Place, Report};
use super::files;
use super::parse::{self, Context, Found, Listed, SiteFile};
use super::raw;
use super::secrets::Env;
use super::watch::{self, ExpandError, Watched};
use super::{Config, LoadError, Site};
use crate::policy::HostName;

/// Reads the file and all that it refers to. `env` looks a variable of the environment up.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, LoadError> {
    load_watched(path, env).0
}

/// The same, with the files that were read for it, also where it has errors.
///
/// What is read is what stood on the disk at one moment: where files change meanwhile, all are read again.
pub fn load_watched(
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> (Result<Config, LoadError>, Watched) {
    let mut watched = Watched::default();
    for _ in 0..ATTEMPTS {
        let reads = Reads::default();
        let loader = Loader {
            env,
            reads: &reads,
            shown: None,
        };
        let config = loader.config(path);
        watched = reads.0.into_inner();
        if watched.as_it_is() == watched.as_read() {
            return (config, watched);
        }
    }
    let file = path.to_owned();
    (Err(LoadError::Unsettled { file }), watched)
}

/// What counts of each file, the main one first: read, with its defaults filled in.
pub fn effective(
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Effective>, LoadError> {
    let shown = RefCell::default();
    let loader = Loader {
        env,
        reads: &Reads::default(),
        shown: Some(&shown),
    };
    loader.config(path)?;
    Ok(shown.into_inner())
}

/// Where the ops listener is, of which nothing else in the file is needed, right or wrong.
pub fn ops_address(path: &Path) -> Result<SocketAddr, LoadError> {
    let text = read_text(path)?;
    let report = Report::new(path, &text);
    let address = raw::parse(&text, &report, &parse::main_keys(), parse::ops_address);
    address.ok_or_else(|| LoadError::Invalid(report.into_diagnostics()))
}

/// The files that were read so far, or should have been.
#[derive(Debug, Default)]
pub(super) struct Reads(RefCell<Watched>);

impl Reads {
    /// To be called before the file is read.
    pub(super) fn note(&self, file: &Path) {
        self.0.borrow_mut().note(file);
    }
}

struct Loader<'a> {
    env: Env<'a>,
    reads: &'a Reads,
    /// What counts of the files, where somebody wants to know.
    shown: Option<&'a RefCell<Vec<Effective>>>,
}

/// A site's file with what was found in it.
struct ReadSite<'t> {
    report: Report<'t>,
    parsed: Option<SiteFile>,
}

impl Loader<'_> {
    fn config(&self, path: &Path) -> Result<Config, LoadError> {
        self.reads.note(path);
        let text = read_text(path)?;
        let report = self.report(path, &text);
        let found = raw::parse(&text, &report, &parse::main_keys(), |root| {
            Some(parse::main_file(root, folder(path), self.env, self.reads))
        });
        let Some(Found {
            process,
            context,
            sites,
        }) = found
        else {
            return Err(LoadError::Invalid(report.into_diagnostics()));
        };
        self.show(&report);
        let mut diagnostics = Diagnostics::default();
        let sites = match sites {
            Listed::Here(site) => site.map(|site| vec![*site]),
            Listed::InFiles { glob, place } => {
                let paths = glob.and_then(|glob| self.expand(glob, &report, &place));
                self.sites(
                    &paths.unwrap_or_default(),
                    &context,
                    (&report, &place),
                    &mut diagnostics,
                )
            }
        };
        let mut all = report.into_diagnostics();
        all.errors.extend(diagnostics.errors);
        all.warnings.extend(diagnostics.warnings);
        match (process, sites) {
            (Some(process), Some(sites)) if all.errors.is_empty() => Ok(Config {
                warnings: all.warnings,
                ..process.with_sites(sites)
            }),
            _ => Err(LoadError::Invalid(all)),
        }
    }

    fn expand(&self, pattern: String, report: &Report<'_>, place: &Place) -> Option<Vec<PathBuf>> {
        let expanded = watch::expand(&pattern);
        self.reads.0.borrow_mut().note_pattern(pattern);
        match expanded {
            Ok(paths) => {
                if paths.is_empty() {
                    report.error(place, "matches no file", SITES_HINT);
                }
                Some(paths)
            }
            Err(ExpandError::Pattern) => {
                report.error(place, "is not a pattern of file names", SITES_HINT);
                None
            }
            Err(error @ ExpandError::Unreadable { .. }) => {
                report.error(place, error.to_string(), "");
                None
            }
        }
    }

    /// The sites in the order of their files' names, unless one has an error.
    fn sites(
        &self,
        paths: &[PathBuf],
        context: &Context,
        (main, place): (&Report<'_>, &Place),
        diagnostics: &mut Diagnostics,
    ) -> Option<Vec<Site>> {
        let mut texts = Vec::new();
        for path in paths {
            self.reads.note(path);
            match read_text(path) {
                Ok(text) => texts.push((path, text)),
                Err(LoadError::Invalid(found)) => diagnostics.errors.extend(found.errors),
                Err(error) => main.error(place, error.to_string(), ""),
            }
        }
        let read = |(path, text)| self.site(path, text, context);
        let files: Vec<_> = texts
            .iter()
            .map(|(path, text)| read((*path, text)))
            .collect();
        check_names(&files);
        check_hosts(&files);
        let mut sites = Vec::new();
        for ReadSite { report, parsed } in files {
            let found = report.into_diagnostics();
            diagnostics.errors.extend(found.errors);
            diagnostics.warnings.extend(found.warnings);
            sites.push(parsed.map(|file| file.site));
        }
        sites.into_iter().collect()
    }

    fn site<'t>(&self, path: &'t Path, text: &'t str, context: &Context) -> ReadSite<'t> {
        let report = self.report(path, text);
        let parsed = raw::parse(text, &report, parse::SITE_KEYS, |root| {
            parse::site_file(root, path, folder(path), context, self.env, self.reads)
        });
        self.show(&report);
        ReadSite { report, parsed }
    }

    fn report<'t>(&self, path: &'t Path, text: &'t str) -> Report<'t> {
        let report = Report::new(path, text);
        match self.shown {
            Some(_) => report.with_notes(),
            None => report,
        }
    }

    fn show(&self, report: &Report<'_>) {
        if let Some(shown) = self.shown {
            shown.borrow_mut().extend(Effective::of(report));
        }
    }
}

/// A name belongs to one site: state, revoked sessions and metrics are kept by it. Without case, as some file systems
/// compare names.
fn check_names(files: &[ReadSite<'_>]) {
    let name_of = |file: &ReadSite<'_>| parse::site_name(file.report.file()).to_ascii_lowercase();
    for (index, later) in files.iter().enumerate() {
        let has_it = |file: &&ReadSite<'_>| name_of(file) == name_of(later);
        if let Some(earlier) = files.iter().take(index).find(has_it) {
            let file = earlier.report.file().display();
            let problem =
                format!("the file's name, which is the site's, is that of {file} already");
            let hint = "give each site's file a name of its own, also where their folders differ";
            later.report.error(&Place::start(), problem, hint);
        }
    }
}

/// A host belongs to one site.
fn check_hosts(files: &[ReadSite<'_>]) {
    let hosts_of = |file: &ReadSite<'_>| -> Vec<(HostName, Place)> {
        let parsed = file.parsed.as_ref();
        parsed.map_or_else(Vec::new, |parsed| parsed.hosts.clone())
    };
    for (index, later) in files.iter().enumerate() {
        for (host, place) in hosts_of(later) {
            let has_it = |file: &&ReadSite<'_>| hosts_of(file).iter().any(|(one, _)| *one == host);
            if let Some(earlier) = files.iter().take(index).find(has_it) {
                let file = earlier.report.file().display();
                let problem = format!("is a host of the site in {file} already");
                later
                    .report
                    .error(&place, problem, "each host belongs to one site");
            }
        }
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn read_text(path: &Path) -> Result<String, LoadError> {
    let bytes = read_bytes(path).map_err(|source| LoadError::Unreadable {
        file: path.to_owned(),
        source,
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        not_utf8(path, error.as_bytes(), offset)
    })
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    files::open(path)?
        .take(MAX_CONFIG_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_CONFIG_BYTES {
        return Err(io::Error::other("larger than 4 MiB"));
    }
    Ok(bytes)
}

fn not_utf8(path: &Path, bytes: &[u8], offset: usize) -> LoadError {
    let readable = bytes.get(..offset).unwrap_or_default();
    let text = std::str::from_utf8(readable).unwrap_or_default();
    let report = Report::new(path, text);
    let place = Place {
        offset,
        ..Place::start()
    };
    report.error(&place, "is not UTF-8", "save the file as UTF-8");
    LoadError::Invalid(report.into_diagnostics())
}

const SITES_HINT: &str = "sites = \"sites.d/*.toml\", one file for each site";
/// How often files that change while they are read are read.
const ATTEMPTS: usize = 3;
const MAX_CONFIG_BYTES: u64 = 4 << 20;
