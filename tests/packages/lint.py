"""Lints what the program is deployed with. Every linter also gets something wrong, so that it is known to look.

lint.py                 everything, exit 1 with what was found
lint.py --render FILE   only the chart's objects, into FILE
"""

import subprocess
import sys
from pathlib import Path

import helm_python
import kubernetes_validate
import yaml

CHART = "conf/helm/usersig-proxy"
VALUES = {"image": {"repository": "registry.example.com/usersig-proxy"}, "secretName": "usersig-proxy"}
YAML_RULES = """
extends: default
rules: {line-length: {max: 210}, document-start: disable, comments-indentation: disable,
        braces: {max-spaces-inside: 1}, comments: {min-spaces-from-content: 1}, octal-values: disable}
"""
BIN = Path(sys.executable).parent
found = []


def expect(what, is_good):
    if not is_good:
        found.append(what)


def rendered(values):
    with helm_python.Chart.load(CHART) as chart:
        templates = chart.render(values, name="proxy", namespace="chat")
        return "---\n".join(text for _, text in sorted(templates.items()))


def objects(text):
    return [document for document in yaml.safe_load_all(text) if document]


def is_valid(kubernetes_object):
    try:
        kubernetes_validate.validate(kubernetes_object, kubernetes_validate.latest_version(), strict=True)
        return True
    except kubernetes_validate.ValidationError as error:
        print(kubernetes_object["kind"], error.message)
        return False


def hadolint(text):
    return subprocess.run([BIN / "hadolint", "-"], input=text, text=True, check=False).returncode == 0


def yamllint(text):
    command = [BIN / "yamllint", "--strict", "-d", YAML_RULES, "-"]
    return subprocess.run(command, input=text, text=True, check=False).returncode == 0


def takes(values):
    try:
        rendered(values)
        return True
    except helm_python.HelmError:
        return False


def lint_image():
    dockerfile = Path("conf/docker/Dockerfile").read_text()
    expect("hadolint: conf/docker/Dockerfile", hadolint(dockerfile))
    expect("hadolint takes an image without a version", not hadolint(dockerfile.replace("rust:1-bookworm", "rust")))


def lint_yaml():
    files = sorted(Path("conf").glob("*/*.yaml")) + sorted(Path(CHART).glob("*.yaml"))
    expect(f"too few files: {files}", len(files) >= 6)
    for file in files:
        expect(f"yamllint: {file}", yamllint(file.read_text()))
    expect("yamllint takes a key that is there twice", not yamllint("a: 1\na: 2\n"))


def lint_objects():
    for file in sorted(Path("conf/kubernetes").glob("*.yaml")):
        for thing in objects(file.read_text()):
            expect(f"{file}: {thing['kind']}", is_valid(thing))
    for thing in objects(rendered(VALUES)):
        expect(f"chart: {thing['kind']}", is_valid(thing))
    wrong = objects(Path("conf/kubernetes/gateway.yaml").read_text())[1]
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    expect("a Deployment with an unknown key is valid", not is_valid(wrong))


def lint_chart():
    report = helm_python.lint(CHART, VALUES)
    # 1 is information ("icon is recommended"), 2 a warning, 3 an error.
    expect(f"helm lint: {report}", all(message["severity"] < 2 for message in report["messages"]))
    expect("helm lint passes without values", helm_python.lint(CHART)["errors"])
    expect("the chart takes good values", takes(VALUES | {"replicaCount": 1, "podAnnotations": {"a": "b"}}))
    for wrong in [
        {},
        {"image": VALUES["image"]},
        VALUES | {"replicaCount": "two"},
        VALUES | {"replicas": 2},
        VALUES | {"ports": {"http": 80, "ops": 9090}},
    ]:
        expect(f"the chart takes {wrong}", not takes(wrong))


if sys.argv[1:2] == ["--render"]:
    Path(sys.argv[2]).write_text(rendered(VALUES))
    sys.exit(0)
for lint in [lint_image, lint_yaml, lint_objects, lint_chart]:
    lint()
print("\n".join(found) or "all good")
sys.exit(bool(found))
