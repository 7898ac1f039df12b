//! `check --format json`: the same verdict for programs.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{hosts, proofs};
use crate::cli::{CliError, read};
use crate::config::{Diagnostic, Diagnostics, LoadError, Site};

#[derive(Serialize)]
struct Verdicts<'a> {
    good: bool,
    files: Vec<Verdict<'a>>,
}

/// What is said of one file.
#[derive(Serialize)]
struct Verdict<'a> {
    file: &'a Path,
    good: bool,
    /// `None` for a file that is not good; `hosts` is 0 where any host is answered.
    sites: Option<usize>,
    hosts: Option<usize>,
    errors: Vec<Fault>,
    warnings: Vec<Fault>,
    /// What Chat said of each site, and issuers of their keys; empty unless they were asked.
    live: Vec<Said>,
    #[serde(skip)]
    exit_code: u8,
}

/// A fault with its place, as far as it has one.
#[derive(Serialize)]
struct Fault {
    file: PathBuf,
    line: Option<usize>,
    column: Option<usize>,
    key: Option<String>,
    problem: String,
    hint: Option<String>,
}

#[derive(Serialize)]
struct Said {
    site: String,
    /// `null` where it is Chat that speaks.
    issuer: Option<String>,
    good: bool,
    said: String,
}

/// Prints one object about all the files; the worst of them gives the exit code.
pub(super) fn check(files: &[&PathBuf], is_live: bool) -> Result<(), CliError> {
    let files: Vec<_> = files.iter().map(|file| verdict(file, is_live)).collect();
    let worst = files.iter().map(|verdict| verdict.exit_code).max();
    let verdicts = Verdicts {
        good: files.iter().all(|verdict| verdict.good),
        files,
    };
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &verdicts).map_err(io::Error::from)?;
    writeln!(out)?;
    match worst {
        None | Some(0) => Ok(()),
        Some(code) => Err(CliError::Told(code)),
    }
}

fn verdict(file: &Path, is_live: bool) -> Verdict<'_> {
    let mut verdict = Verdict {
        file,
        good: false,
        sites: None,
        hosts: None,
        errors: Vec::new(),
        warnings: Vec::new(),
        live: Vec::new(),
        exit_code: 0,
    };
    match read(file) {
        Ok(config) => {
            verdict.sites = Some(config.sites.len());
            verdict.hosts = Some(hosts(&config.sites));
            verdict.warnings = faults(config.warnings);
            if is_live {
                verdict.ask(&config.sites);
            }
        }
        Err(LoadError::Invalid(Diagnostics { errors, warnings })) => {
            verdict.exit_code = 1;
            (verdict.errors, verdict.warnings) = (faults(errors), faults(warnings));
        }
        Err(error @ (LoadError::Unreadable { .. } | LoadError::Unsettled { .. })) => {
            verdict.exit_code = 2;
            verdict
                .errors
                .push(Fault::of_file(file, &error.to_string()));
        }
    }
    verdict.good = verdict.exit_code == 0;
    verdict
}

impl Verdict<'_> {
    fn ask(&mut self, sites: &[Site]) {
        let proofs = match proofs(sites) {
            Ok(proofs) => proofs,
            Err(error) => {
                self.exit_code = 1;
                self.errors
                    .push(Fault::of_file(self.file, &error.to_string()));
                return;
            }
        };
        for proof in proofs {
            let good = proof.said.is_ok();
            self.exit_code = self.exit_code.max(u8::from(!good));
            self.live.push(Said {
                site: proof.site,
                issuer: proof.issuer,
                good,
                said: proof.said.unwrap_or_else(|fault| fault),
            });
        }
    }
}

impl Fault {
    /// What concerns a file that could not be looked into.
    fn of_file(file: &Path, problem: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            column: None,
            key: None,
            problem: problem.to_owned(),
            hint: None,
        }
    }
}

fn faults(diagnostics: Vec<Diagnostic>) -> Vec<Fault> {
    let fault = |found: Diagnostic| Fault {
        file: found.file,
        line: Some(found.line),
        column: Some(found.column),
        key: Some(found.key).filter(|key| !key.is_empty()),
        problem: found.problem,
        hint: found.hint,
    };
    diagnostics.into_iter().map(fault).collect()
}
