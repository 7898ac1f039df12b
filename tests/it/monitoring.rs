//! What operators build on: dashboard, alerts and the tables of the guide, against the running program.

pub(crate) mod expressions;
pub(crate) mod series;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::foreign::has;
use crate::support::program::finish;
use crate::support::proxy::free_address;
use crate::support::tokens::{bearer, sign};
use crate::support::{App, get};
use series::{Series, with_everything};

/// The labels that Prometheus adds when it scrapes.
const SCRAPED: [&str; 2] = ["instance", "job"];

#[test]
fn every_expression_of_the_alerts_names_series_that_exist() {
    let rules = alerts();
    assert!(rules.len() >= 15, "{}", rules.len());
    let series = Series::of(&with_everything());
    let mut names = BTreeSet::new();
    for rule in &rules {
        let name = text(rule, "/alert");
        assert!(names.insert(name), "{name} is there twice");
        let expression = text(rule, "/expr");
        if expression != r#"up{job="usersig-proxy"} == 0"# {
            let uses = expressions::uses(expression);
            assert!(!uses.is_empty(), "{name}");
            assert_eq!(series.faults(expression), Vec::<String>::new(), "{name}");
        }
        assert!(["critical", "warning", "info"].contains(&text(rule, "/labels/severity")));
        assert!(text(rule, "/annotations/summary").len() > 20, "{name}");
        let runbook = text(rule, "/annotations/runbook");
        assert!(runbook.len() > 20 && runbook.ends_with('.'), "{name}");
        assert_eq!(
            rule["annotations"].as_object().unwrap().len(),
            2,
            "{name}: a summary and a runbook"
        );
        series.assert_labels_exist(name, expression, text(rule, "/annotations/summary"));
    }
}

/// promtool runs `alerts.test.yaml`; here, that no alert is left out of it, and that each also stays away once.
#[test]
fn every_alert_is_raised_in_a_test_and_stays_away_in_another() {
    let cases = yaml("conf/prometheus/alerts.test.yaml");
    let alerts = alerts();
    let names: BTreeSet<_> = alerts.iter().map(|rule| text(rule, "/alert")).collect();
    let tests = cases["tests"].as_array().unwrap();
    let tested = |wanted: bool| -> BTreeSet<&str> {
        let rules = tests
            .iter()
            .flat_map(|test| test["alert_rule_test"].as_array().unwrap());
        rules
            .filter(|rule| rule["exp_alerts"].as_array().unwrap().is_empty() != wanted)
            .map(|rule| text(rule, "/alertname"))
            .collect()
    };
    assert_eq!((&tested(true), &tested(false)), (&names, &names));
}

#[test]
fn promtool_takes_the_alerts_and_their_tests() {
    if !has("promtool_takes_the_alerts", &["promtool"]) {
        return;
    }
    let folder = root().join("conf/prometheus");
    let run = |file: &Path, arguments: [&str; 2]| {
        let mut command = Command::new("promtool");
        finish(
            command
                .current_dir(file.parent().unwrap())
                .args(arguments)
                .arg(file.file_name().unwrap()),
        )
    };
    for (file, arguments) in [
        ("alerts.yaml", ["check", "rules"]),
        ("alerts.test.yaml", ["test", "rules"]),
    ] {
        let finished = run(&folder.join(file), arguments);
        assert_eq!(finished.code, Some(0), "{file}: {finished:?}");
    }
    let copy = tempfile::TempDir::new().unwrap();
    let rules = fs::read_to_string(folder.join("alerts.yaml")).unwrap();
    let never = rules.replace(
        "usersig_proxy_audit_lost == 1",
        "usersig_proxy_audit_lost == 2",
    );
    assert_ne!(rules, never);
    fs::write(copy.path().join("alerts.yaml"), never).unwrap();
    fs::copy(
        folder.join("alerts.test.yaml"),
        copy.path().join("alerts.test.yaml"),
    )
    .unwrap();
    let finished = run(&copy.path().join("alerts.test.yaml"), ["test", "rules"]);
    assert_eq!(
        finished.code,
        Some(1),
        "an alert that is never raised passes"
    );
}

#[test]
fn every_expression_of_the_dashboard_names_series_that_exist() {
    let dashboard = read("conf/grafana/dashboard.json");
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let series = Series::of(&with_everything());
    let (mut ids, mut places, mut shown) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = text(panel, "/title");
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        assert_free(panel, &mut places);
        if panel["type"] == "row" {
            continue;
        }
        assert!(text(panel, "/description").ends_with('.'), "{title}");
        for target in panel["targets"].as_array().unwrap() {
            let expression = text(target, "/expr");
            let uses = expressions::uses(expression);
            assert!(!uses.is_empty(), "{title}");
            assert_eq!(series.faults(expression), Vec::<String>::new(), "{title}");
            series.assert_labels_exist(title, expression, text(target, "/legendFormat"));
            shown.extend(uses.iter().map(|used| series.family(&used.name).unwrap()));
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if variable["type"] != "datasource" {
            series.assert_label_query(text(variable, "/definition"));
        }
    }
    let all: BTreeSet<_> = series.names().collect();
    assert_eq!(shown, all, "every series is shown somewhere");
}

/// The table of the guide names every series, with its labels, and no other.
#[test]
fn the_table_of_metrics_names_every_series_with_its_labels() {
    let series = Series::of(&with_everything());
    let guide = read("src/guide/operating.md");
    let mut found = BTreeSet::new();
    for row in rows(&guide, "| name | kind | labels | what it counts |") {
        let [name, kind, labels, about] = &row[..] else {
            panic!("{row:?}");
        };
        let name = format!("usersig_proxy_{}", name.trim_matches('`'));
        let expected = series.get(&name).unwrap_or_else(|| panic!("no {name}"));
        let labels: BTreeSet<_> = labels
            .split_whitespace()
            .map(|label| label.trim_matches('`'))
            .collect();
        let expected_labels = expected.labels.iter().map(String::as_str).collect();
        assert_eq!(
            (kind.as_str(), labels),
            (expected.kind.as_str(), expected_labels),
            "{name}"
        );
        assert!(about.len() > 5, "{name}");
        assert!(found.insert(name.clone()), "{name} is there twice");
    }
    let all: BTreeSet<_> = series.names().map(str::to_owned).collect();
    assert_eq!(found, all);
}

/// Every field that an access line of the program can have stands in the guide's table, and no other does.
#[test]
fn the_table_of_the_access_lines_fields_is_that_of_real_lines() {
    let guide = read("src/guide/operating.md");
    let documented: BTreeSet<_> = rows(&guide, "| field | when | what it says |")
        .into_iter()
        .map(|row| row[0].trim_matches('`').to_owned())
        .collect();
    let app = App::start();
    let traces = "[traces]\nendpoint = \"http://127.0.0.1:9/v1/traces\"\n";
    let proxy = series::behind(app.address, &format!("{}{traces}", series::routes()));
    let gone = series::behind(free_address(), &series::routes());
    let expired = sign(&serde_json::json!({ "sub": "a", "exp": 1 }));
    get(proxy.address, "/api/forwarded", &bearer("alice"));
    get(
        proxy.address,
        "/api/expired",
        &format!("Authorization: Bearer {expired}\r\n"),
    );
    get(proxy.address, "/unlisted", "");
    get(gone.address, "/api/unreachable", &bearer("alice"));
    let mut seen = BTreeSet::new();
    for (proxy, path) in [
        (&proxy, "/api/forwarded"),
        (&proxy, "/api/expired"),
        (&proxy, "/unlisted"),
        (&gone, "/api/unreachable"),
    ] {
        let line = proxy.log_line(|line| line["path"] == path);
        seen.extend(line.as_object().unwrap().keys().cloned());
    }
    assert_eq!(documented, seen);
}

/// Fails when two panels share a place of the grid of 24 columns.
fn assert_free(panel: &Value, places: &mut BTreeSet<(u64, u64)>) {
    let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
    assert!(x + w <= 24, "{panel}");
    for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
        assert!(places.insert(place), "{} is on another", panel["title"]);
    }
}

fn alerts() -> Vec<Value> {
    let file = yaml("conf/prometheus/alerts.yaml");
    let groups = file["groups"].as_array().unwrap();
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap());
    rules.cloned().collect()
}

/// The cells of the table with this head, without the line under it.
pub(crate) fn rows(text: &str, head: &str) -> Vec<Vec<String>> {
    let lines = text.lines().skip_while(|line| *line != head).skip(2);
    let rows: Vec<Vec<String>> = lines
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect();
    assert!(rows.len() > 3, "no table with the head {head}");
    rows
}

pub(crate) fn yaml(file: &str) -> Value {
    serde_yaml::from_str(&read(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

pub(crate) fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
