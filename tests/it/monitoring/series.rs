//! The series of a running proxy that has everything configured, and what is wrong with an expression over them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::SCRAPED;
use super::expressions::{self, PREFIX, Use};
use crate::support::keys::{KeyServer, Signer, answer, jwks};
use crate::support::proxy::free_address;
use crate::support::tls::pair;
use crate::support::{App, Proxy, config, get};

/// One family of series.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) labels: BTreeSet<String>,
    /// The values that each label has.
    values: BTreeMap<String, BTreeSet<String>>,
}

/// What `/metrics` shows, by name.
pub(crate) struct Series(BTreeMap<String, Family>);

impl Series {
    pub(crate) fn of(metrics: &str) -> Self {
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        for line in metrics.lines() {
            if let Some(line) = line.strip_prefix("# TYPE ") {
                let (name, kind) = line.split_once(' ').unwrap();
                families.entry(name.to_owned()).or_default().kind = kind.to_owned();
            } else if !line.starts_with('#') {
                let [sample] = &expressions::uses(line)[..] else {
                    panic!("{line}");
                };
                let name = family_name(&sample.name, |name| families.contains_key(name));
                let family = families.get_mut(&name).unwrap();
                for (label, _, value) in
                    sample.matchers.iter().filter(|(label, _, _)| label != "le")
                {
                    family.labels.insert(label.clone());
                    family
                        .values
                        .entry(label.clone())
                        .or_default()
                        .insert(value.clone());
                }
            }
        }
        assert!(families.len() > 20, "{metrics}");
        Self(families)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Family> {
        self.0.get(name)
    }

    /// The family that a name of a sample belongs to.
    pub(crate) fn family(&self, sample: &str) -> Option<&str> {
        let name = family_name(sample, |name| self.0.contains_key(name));
        self.0.get_key_value(&name).map(|(name, _)| name.as_str())
    }

    /// What is wrong with an expression: series, labels and values that do not exist, and the wrong function for a kind.
    pub(crate) fn faults(&self, expression: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let mut known: BTreeSet<String> = SCRAPED.map(str::to_owned).into();
        known.insert("le".to_owned());
        for (used, (at, _)) in expressions::uses(expression)
            .iter()
            .zip(expression.match_indices(PREFIX))
        {
            let Some(family) = self.family(&used.name).and_then(|name| self.0.get(name)) else {
                faults.push(format!("{} does not exist", used.name));
                continue;
            };
            known.extend(family.labels.iter().cloned());
            faults.extend(family.wrong_function(used, &expressions::around(expression, at)));
            faults.extend(family.wrong_matchers(used));
        }
        let grouped = expressions::grouped_by(expression).into_iter();
        let unknown = grouped.filter(|label| !known.contains(label));
        faults.extend(unknown.map(|label| format!("no label {label} to group by")));
        faults
    }

    /// Fails when a text shows a label that the expression's result does not have.
    pub(crate) fn assert_labels_exist(&self, case: &str, expression: &str, text: &str) {
        let grouped = expressions::grouped_by(expression);
        let families = expressions::uses(expression);
        let families = families.iter().filter_map(|used| self.family(&used.name));
        let kept: BTreeSet<String> = match expression.contains(" by (") {
            true => grouped.into_iter().collect(),
            false => families
                .flat_map(|name| self.0[name].labels.iter().cloned())
                .chain(SCRAPED.map(str::to_owned))
                .collect(),
        };
        let shown = text
            .split("{{")
            .skip(1)
            .map(|rest| rest.split("}}").next().unwrap().trim());
        for label in shown.filter(|label| !label.starts_with("$value")) {
            let label = label.strip_prefix("$labels.").unwrap_or(label);
            assert!(kept.contains(label), "{case}: {label} is not in {kept:?}");
        }
    }

    /// Fails when a query of a dashboard's variable names what does not exist.
    pub(crate) fn assert_label_query(&self, query: &str) {
        let inside = query.strip_prefix("label_values(").unwrap();
        let (name, label) = inside.strip_suffix(')').unwrap().split_once(", ").unwrap();
        let family = self.get(name).unwrap_or_else(|| panic!("{name}"));
        assert!(
            family.labels.contains(label) || SCRAPED.contains(&label),
            "{query}"
        );
    }
}

impl Family {
    fn wrong_function(&self, used: &Use, around: &[String]) -> Option<String> {
        let within = used.within.as_deref().unwrap_or_default();
        let is_over_time = ["rate", "increase"].contains(&within);
        let is_counting = self.kind != "gauge";
        let is_bucket = used.name.ends_with("_bucket");
        let is_quantile = around.iter().any(|name| name == "histogram_quantile");
        let fault = match () {
            () if is_counting && !(is_over_time && used.is_range) => {
                "only grows, so it needs rate or increase"
            }
            () if !is_counting && (is_over_time || used.is_range) => {
                "is a gauge, which has no rate"
            }
            () if is_bucket != is_quantile => {
                "histogram_quantile goes with _bucket and with nothing else"
            }
            () if self.kind == "histogram" && !is_bucket => "is a histogram without a _bucket",
            () => return None,
        };
        Some(format!("{}: {fault}", used.name))
    }

    fn wrong_matchers(&self, used: &Use) -> Vec<String> {
        let mut faults = Vec::new();
        for (label, _, value) in &used.matchers {
            let Some(values) = self.values.get(label) else {
                if !SCRAPED.contains(&label.as_str()) {
                    faults.push(format!("{} has no label {label}", used.name));
                }
                continue;
            };
            let missing = value
                .split('|')
                .filter(|value| !value.starts_with('$') && !values.contains(*value));
            faults.extend(missing.map(|value| format!("{}: {label} is never {value}", used.name)));
        }
        faults
    }
}

/// A histogram's samples have a name that is longer than that of their family.
fn family_name(sample: &str, exists: impl Fn(&str) -> bool) -> String {
    let suffixes = ["", "_bucket", "_sum", "_count"].into_iter();
    let names = suffixes.filter_map(|suffix| sample.strip_suffix(suffix));
    let mut names = names.filter(|name| exists(name));
    names.next().unwrap_or(sample).to_owned()
}

/// Routes of every kind.
pub(crate) fn routes() -> String {
    "default_access = \"deny\"\n[[route]]\nmatch = { path = \"/api/{*rest}\" }\naccess = \"session\"\n\
     inject = { request_headers = true }\n"
        .to_owned()
}

/// A proxy in front of what listens there.
pub(crate) fn behind(app: SocketAddr, routes: &str) -> Proxy {
    Proxy::start(&config(app, routes))
}

/// What `/metrics` of a proxy shows that uses every part: TLS, a published key set, the gateway, webhooks.
pub(crate) fn with_everything() -> String {
    let (app, signer) = (App::start(), Signer::new("a"));
    let keys = KeyServer::start(answer(200, &jwks(&[&signer])));
    let more = format!(
        "{}[[route]]\nmatch = {{ path = \"/hook\" }}\naccess = \"webhook\"\n[webhook]\ntoken = {{ file = \"token\" }}\n\
         [rest_api]\n[[rest_api.allow]]\ncommands = [\"openim/sendmsg\"]\nroles = [\"member\"]\n\
         [[session.issuer]]\nname = \"published\"\nissuer = \"https://issuer.example\"\nalgorithms = [\"EdDSA\"]\n\
         keys = {{ jwks_url = \"http://{}/keys\" }}\n",
        routes(),
        keys.address
    );
    let https = format!(
        "http = [\"@PROXY@\"]\nhttps = [{{ address = \"{}\", {} }}]",
        free_address(),
        pair("app")
    );
    let text = config(
        app.address,
        &format!(
            "{more}[store.redis]\nurl = \"redis://{}\"\n",
            free_address()
        ),
    )
    .replacen("http = [\"@PROXY@\"]", &https, 1)
    .replacen("[session]", "[session]\nshared_identity = true", 1)
    .replacen(
        "admin = ",
        "endpoint = \"http://127.0.0.1:9\"\nprofile = { nick = \"/name\" }\nadmin = ",
        1,
    );
    let proxy = Proxy::start_with_files(&text, &[("token", "a token of the tests for webhooks")]);
    get(proxy.ops, "/metrics", "").text()
}

#[test]
fn what_is_wrong_with_an_expression_is_found() {
    let series = Series::of(&with_everything());
    for (expression, fault) in [
        ("rate(usersig_proxy_request_total[5m])", "does not exist"),
        ("usersig_proxy_requests_total > 0", "needs rate"),
        (
            "sum(usersig_proxy_requests_total{site=\"default\"})",
            "needs rate",
        ),
        ("rate(usersig_proxy_rest_paused[5m])", "is a gauge"),
        (
            "rate(usersig_proxy_requests_total{command=\"a\"}[5m])",
            "no label command",
        ),
        (
            "rate(usersig_proxy_requests_total{outcome=\"lost\"}[5m])",
            "never lost",
        ),
        (
            "rate(usersig_proxy_requests_total{outcome=~\"internal|lost\"}[5m])",
            "never lost",
        ),
        (
            "sum by (host) (rate(usersig_proxy_requests_total[5m]))",
            "no label host",
        ),
        (
            "rate(usersig_proxy_request_duration_seconds_bucket[5m])",
            "histogram_quantile",
        ),
        (
            "histogram_quantile(0.9, sum by (le) (rate(usersig_proxy_request_duration_seconds_sum[5m])))",
            "histogram_quantile",
        ),
        (
            "rate(usersig_proxy_request_duration_seconds[5m])",
            "without a _bucket",
        ),
    ] {
        let faults = series.faults(expression);
        assert!(
            faults.iter().any(|found| found.contains(fault)),
            "{expression}: {faults:?}"
        );
    }
    for good in [
        "sum by (site) (rate(usersig_proxy_requests_total{outcome=~\"internal|overloaded\", site=~\"$site\"}[5m]))",
        "histogram_quantile(0.9, sum by (le) (rate(usersig_proxy_request_duration_seconds_bucket[5m])))",
        "usersig_proxy_certificate_expiry_seconds - time() < 5",
    ] {
        assert_eq!(series.faults(good), Vec::<String>::new(), "{good}");
    }
}
