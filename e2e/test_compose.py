"""The compose files: of the form that the compose specification's schema has, and as closed as they say."""

import importlib.util
import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from container import Dockerfile
from server import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
FILES = ["compose.yaml", "compose.postgres.yaml"]


@pytest.fixture(scope="module")
def validator():
    """Of the schema as check-jsonschema ships it; its own command line needs more than that."""
    [package] = importlib.util.find_spec("check_jsonschema").submodule_search_locations
    schema = json.loads((Path(package) / "builtin_schemas/vendor/compose-spec.json").read_text(encoding="utf-8"))
    return jsonschema.validators.validator_for(schema)(schema)


def services(name):
    """The services of a file, with what they extend."""
    document = yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))
    found = {}
    for service, own in document["services"].items():
        if extended := own.pop("extends", None):
            base = services(extended["file"])[extended["service"]]
            own = {**base, **own, "environment": {**base["environment"], **own.get("environment", {})}}
        found[service] = own
    return found


@pytest.mark.parametrize("name", FILES)
def test_it_is_a_compose_file(validator, name):
    validator.validate(yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8")))


def test_what_is_none_is_noticed(validator):
    document = yaml.safe_load((DEPLOY / FILES[0]).read_text(encoding="utf-8"))
    document["services"]["milepost"]["readonly"] = True
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(document)


@pytest.mark.parametrize("name", FILES)
def test_every_service_is_closed(name):
    for service, found in services(name).items():
        assert found["read_only"] is True and found["cap_drop"] == ["ALL"], service
        assert "no-new-privileges:true" in found["security_opt"] and not found.get("privileged"), service
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", found["user"]), service
        assert found["healthcheck"]["test"][0] == "CMD" and found["restart"] == "unless-stopped", service
        assert all(port.startswith("127.0.0.1:") for port in found.get("ports", [])), service
        assert re.search(r":\d", found["image"]), service


@pytest.mark.parametrize("name", FILES)
def test_milepost_is_run_as_its_image_says(name):
    found, image = services(name)["milepost"], Dockerfile()
    assert found["healthcheck"]["test"][1:] == image.health_command
    assert found["user"] == image.user
    assert found["volumes"] == [f"milepost:{image.last('VOLUME')}"]
    known = re.findall(r"`(MILEPOST_\w+)`", (REPOSITORY / "docs/configuration.md").read_text(encoding="utf-8"))
    assert {*found["environment"], *image.environment} <= set(known)
    assert found["environment"]["MILEPOST_API_KEYS_FILE"].startswith(image.last("VOLUME"))


def test_volumes_networks_and_secrets_are_declared():
    for name in FILES:
        document = yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))
        for found in services(name).values():
            assert {volume.split(":")[0] for volume in found["volumes"]} <= set(document["volumes"])
            assert set(found.get("secrets", [])) <= set(document.get("secrets", {}))
            assert set(found.get("networks", [])) <= set(document.get("networks", {}))
