//! The Kubernetes objects against the configuration in them: what `check` says of it, ports, probes, users.

use std::fs;
use std::process::Command;

use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::guides::{check, folder};
use crate::monitoring::{read, root, text};
use crate::support::foreign::linters;
use crate::support::program::finish;

#[test]
fn the_objects_of_both_forms_agree_with_their_configuration() {
    for (file, kinds) in [
        (
            "conf/kubernetes/gateway.yaml",
            &[
                "ConfigMap",
                "Deployment",
                "Service",
                "PodDisruptionBudget",
                "NetworkPolicy",
            ][..],
        ),
        (
            "conf/kubernetes/sidecar.yaml",
            &[
                "ConfigMap",
                "Deployment",
                "Service",
                "PodDisruptionBudget",
                "NetworkPolicy",
            ],
        ),
    ] {
        let objects = objects(&read(file));
        let found: Vec<_> = objects.iter().map(|object| text(object, "/kind")).collect();
        assert_eq!(found, kinds, "{file}");
        assert_eq!(faults(&objects), Vec::<String>::new(), "{file}");
    }
}

#[test]
fn the_charts_objects_agree_with_their_configuration() {
    let Some(installed) = linters("the_charts_objects") else {
        return;
    };
    let rendered = TempDir::new().unwrap();
    let finished = finish(
        Command::new(installed.join("venv/bin/python"))
            .current_dir(root())
            .args(["tests/packages/lint.py", "--render"])
            .arg(rendered.path().join("chart.yaml")),
    );
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let chart = fs::read_to_string(rendered.path().join("chart.yaml")).unwrap();
    let objects = objects(&chart);
    assert_eq!(objects.len(), 5, "{chart}");
    assert_eq!(faults(&objects), Vec::<String>::new());
}

/// What the tests above would find.
#[test]
fn objects_that_do_not_fit_together_are_found() {
    let good = read("conf/kubernetes/gateway.yaml");
    for (right, wrong, fault) in [
        ("path: /readyz", "path: /ready", "probe"),
        (
            "port: ops }\n            periodSeconds: 10",
            "port: http }\n            periodSeconds: 10",
            "probe",
        ),
        (
            "listen = \"0.0.0.0:9090\"",
            "listen = \"127.0.0.1:9090\"",
            "probe",
        ),
        (
            "containerPort: 8080",
            "containerPort: 8081",
            "nobody listens",
        ),
        ("targetPort: http", "targetPort: web", "target"),
        ("runAsNonRoot: true", "runAsNonRoot: false", "runAsNonRoot"),
        (
            "readOnlyRootFilesystem: true",
            "readOnlyRootFilesystem: false",
            "readOnlyRootFilesystem",
        ),
        ("drop: [ALL]", "drop: []", "drop"),
        ("secretName: usersig-proxy", "secretName: other", "secret"),
        (
            "algorithms = [\"HS256\"]",
            "algorithms = [\"HS255\"]",
            "not one of HS256",
        ),
        (
            "terminationGracePeriodSeconds: 30",
            "terminationGracePeriodSeconds: 15",
            "grace",
        ),
        (
            "    matchLabels: { app.kubernetes.io/name: usersig-proxy }\n---\n# The",
            "    matchLabels: { app.kubernetes.io/name: proxy }\n---\n# The",
            "selects",
        ),
    ] {
        assert!(good.contains(right), "{right}");
        let faults = faults(&objects(&good.replace(right, wrong)));
        assert!(
            faults.iter().any(|found| found.contains(fault)),
            "{wrong}: {faults:?}"
        );
    }
}

fn objects(file: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(file);
    let objects = documents.map(|document| Value::deserialize(document).unwrap());
    objects.filter(|object| !object.is_null()).collect()
}

fn faults(objects: &[Value]) -> Vec<String> {
    let of = |kind: &str| {
        let found = objects.iter().find(|object| object["kind"] == kind);
        found.unwrap_or_else(|| panic!("no {kind}"))
    };
    let config = text(of("ConfigMap"), "/data/proxy.toml");
    let template = &of("Deployment")["spec"]["template"];
    let pod = &template["spec"];
    let container = container(pod);
    let mut faults = wrong_configuration(config);
    faults.extend(wrong_ports(config, container));
    faults.extend(wrong_user(pod, container));
    faults.extend(wrong_volumes(
        pod,
        container,
        text(of("ConfigMap"), "/metadata/name"),
    ));
    let names: Vec<_> = list(&container["ports"])
        .iter()
        .map(|port| &port["name"])
        .collect();
    for port in list(&of("Service")["spec"]["ports"]) {
        if !names.contains(&&port["targetPort"]) {
            faults.push(format!("the Service has the target {}", port["targetPort"]));
        }
    }
    for (kind, selector) in [
        ("Service", "/spec/selector"),
        ("Deployment", "/spec/selector/matchLabels"),
        ("PodDisruptionBudget", "/spec/selector/matchLabels"),
    ] {
        let wanted = of(kind)
            .pointer(selector)
            .and_then(Value::as_object)
            .unwrap();
        let labels = template["metadata"]["labels"].as_object().unwrap();
        if !wanted
            .iter()
            .all(|(name, value)| labels.get(name) == Some(value))
        {
            faults.push(format!("{kind} selects other pods"));
        }
    }
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    // drain_delay of the configuration, and the defaults of grace_period and shutdown_timeout.
    if !config.contains("drain_delay = \"5s\"") || grace <= 5 + 10 + 5 {
        faults.push(format!("{grace} s of grace are too few"));
    }
    faults
}

/// The proxy's, wherever it stands: a sidecar is an init container that goes on.
fn container(pod: &Value) -> &Value {
    let all = list(&pod["initContainers"])
        .iter()
        .chain(list(&pod["containers"]));
    let mut proxies = all.filter(|container| container["name"] == "usersig-proxy");
    proxies.next().unwrap()
}

fn wrong_configuration(config: &str) -> Vec<String> {
    let finished = check(folder().path(), config);
    match finished.code {
        Some(0) => Vec::new(),
        _ => vec![finished.stderr],
    }
}

fn wrong_ports(config: &str, container: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let port = |name: &str| {
        let ports = list(&container["ports"]).iter();
        let mut ports = ports.filter(|port| port["name"] == name);
        ports.next().unwrap()["containerPort"].clone()
    };
    if !config.contains(&format!("http = [\"0.0.0.0:{}\"]", port("http"))) {
        faults.push(format!("nobody listens at {}", port("http")));
    }
    // The kubelet asks from outside of the pod.
    let is_asked = config.contains(&format!("listen = \"0.0.0.0:{}\"", port("ops")));
    for (probe, path) in [
        ("startupProbe", "/healthz"),
        ("livenessProbe", "/healthz"),
        ("readinessProbe", "/readyz"),
    ] {
        let get = &container[probe]["httpGet"];
        if !is_asked || get["path"] != path || get["port"] != "ops" {
            faults.push(format!("the probe {probe} asks {get}"));
        }
    }
    faults
}

/// The Pod Security Standard "restricted", and a root that cannot be written.
fn wrong_user(pod: &Value, container: &Value) -> Vec<String> {
    let wanted = [
        (pod, "/securityContext/runAsNonRoot", json!(true)),
        (pod, "/securityContext/runAsUser", json!(65532)),
        (
            pod,
            "/securityContext/seccompProfile/type",
            json!("RuntimeDefault"),
        ),
        (pod, "/automountServiceAccountToken", json!(false)),
        (
            container,
            "/securityContext/allowPrivilegeEscalation",
            json!(false),
        ),
        (
            container,
            "/securityContext/readOnlyRootFilesystem",
            json!(true),
        ),
        (
            container,
            "/securityContext/capabilities/drop",
            json!(["ALL"]),
        ),
    ];
    let wrong = wanted
        .into_iter()
        .filter(|(at, pointer, value)| at.pointer(pointer) != Some(value));
    wrong
        .map(|(_, pointer, value)| format!("{pointer} is not {value}"))
        .collect()
}

fn wrong_volumes(pod: &Value, container: &Value, config_map: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, pointer, object, path) in [
        (
            "config",
            "/configMap/name",
            config_map,
            "/etc/usersig-proxy",
        ),
        (
            "secrets",
            "/secret/secretName",
            "usersig-proxy",
            "/var/run/secrets/usersig-proxy",
        ),
    ] {
        let volume = list(&pod["volumes"])
            .iter()
            .find(|volume| volume["name"] == name)
            .unwrap();
        if volume.pointer(pointer) != Some(&json!(object)) {
            faults.push(format!(
                "the volume {name} is no {object}, so there is no secret or configuration"
            ));
        }
        let mounts = list(&container["volumeMounts"]).iter();
        let mount = mounts.clone().find(|mount| mount["name"] == name).unwrap();
        if mount["mountPath"] != path || mount["readOnly"] != true || mount.get("subPath").is_some()
        {
            faults.push(format!("{name} is mounted as {mount}"));
        }
    }
    faults
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
