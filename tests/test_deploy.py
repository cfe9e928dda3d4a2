"""The files of ``docs/deploy/``: everything in them that can be checked without the engine that reads them."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from bot.app import STOP_WITHIN
from bot.settings import table
from bot.settings.values import database
from bot.store.place import Server

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "deploy"
SETTINGS = {name for name, _, _ in table()}
SECRETS = {"SLACK_BOT_TOKEN_FILE", "SLACK_APP_TOKEN_FILE", "DVPAY_API_KEY_FILE"}
LONGEST_STOP = STOP_WITHIN + 2
"""Seconds; the last two are for closing."""
SERVED = {"/healthz", "/readyz", "/metrics"}


def documents(name: str) -> list[dict[str, Any]]:
    """Return the documents of a YAML file."""
    return list(yaml.safe_load_all((FOLDER / name).read_text("utf-8")))


def unit(name: str) -> dict[str, dict[str, list[str]]]:
    """Return the sections of a unit, with all values of each key."""

    class Several(dict[str, Any]):
        def __setitem__(self, key: str, value: Any) -> None:
            if isinstance(value, list) and key in self:
                self[key].extend(value)
            else:
                super().__setitem__(key, value)

    parser = configparser.RawConfigParser(strict=False, dict_type=Several, comment_prefixes="#", delimiters="=")
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string((FOLDER / name).read_text("utf-8"))
    found: dict[str, dict[str, list[str]]] = {}
    for section in parser.sections():
        found[section] = {key: value.splitlines() for key, value in parser.items(section)}
    return found


def known(variables: set[str]) -> bool:
    """Return True where the bot reads each of these variables."""
    return all(name in SETTINGS or (name.endswith("_FILE") and name[:-5] in SETTINGS) for name in variables)


def seconds(text: str) -> float:
    """Return the seconds of a time such as 15s."""
    assert re.fullmatch(r"\d+s?", text), text
    return float(text.removesuffix("s"))


# --- Docker Compose -----------------------------------------------------------------------------------


@pytest.fixture
def service() -> dict[str, Any]:
    """Return the only service of the compose file."""
    [compose] = documents("compose.yml")
    assert compose.keys() == {"services", "secrets", "volumes"}
    [(name, service)] = compose["services"].items()
    assert name == "cancel-desk"
    assert {each: {"file": f"secrets/{each}"} for each in service["secrets"]} == compose["secrets"]
    assert {each.partition(":")[0] for each in service["volumes"]} == compose["volumes"].keys()
    found: dict[str, Any] = service
    return found


def test_compose_knows_the_words(service: dict[str, Any]) -> None:
    """A misspelled key would be refused, or do nothing."""
    assert service.keys() <= {
        *("build", "cap_drop", "env_file", "environment", "image", "logging", "ports", "read_only", "restart"),
        *("secrets", "security_opt", "stop_grace_period", "tmpfs", "volumes"),
    }


def test_compose_builds_the_image_and_keeps_the_database(service: dict[str, Any]) -> None:
    """The context has the Dockerfile, and the volume is where the image keeps its data."""
    assert (FOLDER / service["build"] / "Dockerfile").exists()
    assert service["volumes"] == ["desk-data:/app/data"]
    assert service["ports"] == ["127.0.0.1:3000:3000"]
    assert seconds(service["stop_grace_period"]) > LONGEST_STOP


def test_compose_hands_the_secrets_as_files(service: dict[str, Any]) -> None:
    """Each at the path where Docker puts it, and each read by a setting that exists."""
    files = {name: value for name, value in service["environment"].items() if name.endswith("_FILE")}
    assert files.keys() == SECRETS
    assert set(files.values()) == {f"/run/secrets/{each}" for each in service["secrets"]}
    assert known(set(service["environment"]))


def test_compose_takes_rights_away(service: dict[str, Any]) -> None:
    """The bot needs no capability and writes nothing but its data."""
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]


# --- Kubernetes ---------------------------------------------------------------------------------------


@pytest.fixture
def objects() -> dict[str, dict[str, Any]]:
    """Return the manifests by their kind; all are in one namespace and have one name."""
    found = {each["kind"]: each for each in documents("kubernetes.yml")}
    assert {kind: each["apiVersion"] for kind, each in found.items()} == {
        "ConfigMap": "v1",
        "Service": "v1",
        "StatefulSet": "apps/v1",
    }
    assert {(each["metadata"]["name"], each["metadata"]["namespace"]) for each in found.values()} == {
        ("cancel-desk", "cancel-desk")
    }
    return found


@pytest.fixture
def pod(objects: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what a pod is made of."""
    spec: dict[str, Any] = objects["StatefulSet"]["spec"]["template"]["spec"]
    return spec


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the only container of the pod."""
    [container] = pod["containers"]
    found: dict[str, Any] = container
    return found


def test_there_is_one_bot_on_one_file(objects: dict[str, dict[str, Any]]) -> None:
    """Two would not start, and labels must fit together for one to start at all."""
    spec = objects["StatefulSet"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["replicas"] == 1
    assert spec["selector"]["matchLabels"] == labels == objects["Service"]["spec"]["selector"]
    assert spec["serviceName"] == objects["Service"]["metadata"]["name"]
    [claim] = spec["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_the_probes_ask_for_what_the_bot_serves(container: dict[str, Any], objects: dict[str, dict[str, Any]]) -> None:
    """A restart is decided by /healthz alone, and every port that is named exists."""
    paths = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {name: asked["path"] for name, asked in paths.items()} == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    [port] = container["ports"]
    assert port["containerPort"] == 3000
    assert {asked["port"] for asked in paths.values()} == {port["name"]}
    [published] = objects["Service"]["spec"]["ports"]
    assert published["targetPort"] == port["name"]


def test_the_pod_ends_in_order_and_has_no_rights(pod: dict[str, Any], container: dict[str, Any]) -> None:
    """It runs as the image's user, on a root file system that nobody can write."""
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert user is not None
    rights = pod["securityContext"]
    assert pod["terminationGracePeriodSeconds"] > LONGEST_STOP
    assert (rights["runAsNonRoot"], rights["runAsUser"], rights["runAsGroup"]) == (True, int(user[1]), int(user[2]))
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_everything_that_is_mounted_is_there(
    objects: dict[str, dict[str, Any]], pod: dict[str, Any], container: dict[str, Any]
) -> None:
    """The data, a place for what is passing, and the secrets, each as the file that its setting names."""
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    claims = objects["StatefulSet"]["spec"]["volumeClaimTemplates"]
    assert mounts.keys() == {each["name"] for each in [*pod["volumes"], *(claim["metadata"] for claim in claims)]}
    assert mounts["data"] == "/app/data"
    settings = objects["ConfigMap"]["data"]
    files = {name: value for name, value in settings.items() if name.endswith("_FILE")}
    created = re.findall(r"--from-file=(\S+)", (FOLDER / "kubernetes.yml").read_text())
    assert files.keys() == SECRETS
    assert set(files.values()) == {f"{mounts['secrets']}/{name}" for name in created}
    assert known(set(settings))
    assert all(isinstance(value, str) for value in settings.values())  # Kubernetes refuses numbers and booleans here


# --- several bots on PostgreSQL -----------------------------------------------------------------------


def test_the_compose_file_of_several_bots_is_that_of_one_with_a_server(service: dict[str, Any]) -> None:
    """Each bot is run as the only one is, but for where its record is."""
    [compose] = documents("compose-postgres.yml")
    assert compose.keys() == {"services", "secrets", "volumes"}
    assert compose["services"].keys() == {"cancel-desk", "postgres"}
    assert {each: {"file": f"secrets/{each}"} for each in service["secrets"]} == compose["secrets"]
    several = compose["services"]["cancel-desk"]
    url = several["environment"].pop("DATABASE_URL")
    others = {"deploy", "depends_on", "ports", "volumes"}
    assert {name: several[name] for name in several.keys() - others} == {
        name: service[name] for name in service.keys() - others
    }
    assert several["deploy"]["replicas"] == 2
    first, last = map(int, several["ports"][0].removeprefix("127.0.0.1:").removesuffix(":3000").split("-"))
    assert last - first + 1 == several["deploy"]["replicas"]
    assert several["depends_on"].keys() == {"postgres"}
    _the_socket_leads_to_the_server(url, several, compose)


def _the_socket_leads_to_the_server(url: str, several: dict[str, Any], compose: dict[str, Any]) -> None:
    """Check that the bots find the server's socket, as its user and in its database, and nobody else does."""
    place, server = database(url), compose["services"]["postgres"]
    assert isinstance(place, Server)
    found = urlsplit(place.url.get_secret_value())
    [folder] = parse_qs(found.query)["host"]
    assert several["volumes"] == [f"postgres-socket:{folder}"]
    mounted = dict(each.split(":") for each in server["volumes"])
    assert mounted.keys() == compose["volumes"].keys()
    assert mounted == {"postgres-data": "/var/lib/postgresql/data", "postgres-socket": f"/var{folder}"}
    assert (found.username, found.path) == (
        server["environment"]["POSTGRES_USER"],
        f"/{server['environment']['POSTGRES_DB']}",
    )
    assert (server["network_mode"], server["command"][1:]) == ("none", ["-c", "listen_addresses="])
    assert "ports" not in server


def test_the_manifests_of_several_bots_are_those_of_one_without_its_volume(
    objects: dict[str, dict[str, Any]], pod: dict[str, Any], container: dict[str, Any]
) -> None:
    """A new bot is ready before an old one goes, and a node that is drained leaves one."""
    several = {each["kind"]: each for each in documents("kubernetes-postgres.yml")}
    assert {kind: each["apiVersion"] for kind, each in several.items()} == {
        "ConfigMap": "v1",
        "Service": "v1",
        "Deployment": "apps/v1",
        "PodDisruptionBudget": "policy/v1",
    }
    assert {(each["metadata"]["name"], each["metadata"]["namespace"]) for each in several.values()} == {
        ("cancel-desk", "cancel-desk")
    }
    assert several["Service"] == objects["Service"]
    settings = dict(several["ConfigMap"]["data"])
    address = settings.pop("DATABASE_URL_FILE")
    assert settings == objects["ConfigMap"]["data"]
    spec = several["Deployment"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    budget = several["PodDisruptionBudget"]["spec"]
    assert spec["selector"]["matchLabels"] == budget["selector"]["matchLabels"] == labels
    assert (spec["replicas"], budget["minAvailable"]) == (2, 1)
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    theirs = spec["template"]["spec"]
    [spread] = theirs.pop("topologySpreadConstraints")
    assert spread["labelSelector"]["matchLabels"] == labels
    [bot] = theirs["containers"]
    assert bot["volumeMounts"] == [each for each in container["volumeMounts"] if each["name"] != "data"]
    assert {**bot, "volumeMounts": container["volumeMounts"]} == container
    pod["securityContext"].pop("fsGroupChangePolicy")
    assert {**theirs, "containers": [container]} == pod
    mounted = {each["name"]: each["mountPath"] for each in bot["volumeMounts"]}["secrets"]
    created = re.findall(r"--from-file=(\S+)", (FOLDER / "kubernetes-postgres.yml").read_text())
    files = {value for name, value in several["ConfigMap"]["data"].items() if name.endswith("_FILE")}
    assert files | {f"{mounted}/database-ca.crt"} == {f"{mounted}/{name}" for name in created}
    assert address in files


# --- systemd ------------------------------------------------------------------------------------------


def test_the_unit_hands_the_secrets_as_credentials() -> None:
    """Each is loaded under the name that its setting reads."""
    service = unit("cancel-desk.service")["Service"]
    variables = dict(each.split("=", 1) for each in service["Environment"])
    loaded = {each.partition(":")[0] for each in service["LoadCredential"]}
    files = {name: value for name, value in variables.items() if name.endswith("_FILE")}
    assert files.keys() == SECRETS
    assert set(files.values()) == {f"%d/{name}" for name in loaded}
    assert known(set(variables))
    assert variables["DATABASE_URL"] == f"sqlite:////var/lib/{service['StateDirectory'][0]}/bot.db"


def test_the_unit_ends_the_bot_in_order() -> None:
    """It waits for the end, starts the bot again, and not where a setting is wrong."""
    service = unit("cancel-desk.service")["Service"]
    assert seconds(service["TimeoutStopSec"][0]) > LONGEST_STOP
    assert (service["Restart"], service["RestartPreventExitStatus"]) == (["always"], ["2"])
    assert service["ExecStart"] == ["/opt/cancel-desk/bin/cancel-desk run"]
    assert service["User"] != ["root"]


def test_the_backup_is_made_by_the_bots_user_and_may_write_what_it_must() -> None:
    """The folder of the database, because the backup is on record, and the folder of the copies."""
    service, bot = unit("cancel-desk-backup.service")["Service"], unit("cancel-desk.service")["Service"]
    [command] = service["ExecStart"]
    _, name, folder, *options = command.split()
    assert (name, options) == ("backup", ["--keep", "14"])
    assert service["ReadWritePaths"] == [folder]
    assert (service["User"], service["StateDirectory"]) == (bot["User"], bot["StateDirectory"])
    assert set(service["Environment"]) <= set(bot["Environment"])
    assert unit("cancel-desk-backup.timer")["Timer"]["Persistent"] == ["yes"]


def test_litestream_copies_the_file_of_the_unit() -> None:
    """The path is the one that the bot of the unit writes."""
    [config] = documents("litestream.yml")
    [database] = config["dbs"]
    [url] = [each for each in unit("cancel-desk.service")["Service"]["Environment"] if each.startswith("DATABASE_URL=")]
    assert url == f"DATABASE_URL=sqlite:///{database['path']}"
    assert re.fullmatch(r"s3://[a-z/-]+", database["replica"]["url"])


UNITS = sorted(path.name for path in FOLDER.glob("*.service")) + sorted(path.name for path in FOLDER.glob("*.timer"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """Every key is known and has a value that fits; only the program is another one, because ours is not installed."""
    for name in UNITS:
        text = (FOLDER / name).read_text().replace("/opt/cancel-desk/bin/cancel-desk", shutil.which("true") or "")
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "cancel-desk" in line]
    assert (done.returncode, ours) == (0, [])


def test_every_file_is_explained() -> None:
    """The page for operators names each of them."""
    page = (ROOT / "docs" / "operating.md").read_text("utf-8")
    assert [path.name for path in FOLDER.iterdir() if f"](deploy/{path.name})" not in page] == []
