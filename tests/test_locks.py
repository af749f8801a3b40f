"""Versions that must agree, and the lock files."""

import re
import tomllib

import pytest

from tests.support.sam_template import ROOT, at, items, mapping, read_template, resources

TEMPLATE = read_template()
FUNCTIONS = resources(TEMPLATE, "AWS::Serverless::Function")
GLOBALS = mapping(at(TEMPLATE, "Globals", "Function"))


def text(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


class TestVersions:
    python = text(".python-version").strip()

    def test_the_package_requires_the_version(self) -> None:
        major, minor = map(int, self.python.split("."))
        required = tomllib.loads(text("pyproject.toml"))["project"]["requires-python"]
        assert required == f">={self.python},<{major}.{minor + 1}"

    def test_the_functions_run_on_the_version(self) -> None:
        assert GLOBALS["Runtime"] == f"python{self.python}"

    def test_every_function_has_the_same_runtime_and_architecture(self) -> None:
        assert not [name for name, function in FUNCTIONS.items() if {"Runtime", "Architectures"} & function.keys()]

    def test_the_layer_is_for_the_version_and_the_architecture(self) -> None:
        layer = resources(TEMPLATE, "AWS::Serverless::LayerVersion")["MailerLayer"]
        assert layer["CompatibleRuntimes"] == [GLOBALS["Runtime"]]
        assert layer["CompatibleArchitectures"] == GLOBALS["Architectures"]
        assert (
            at(TEMPLATE, "Resources", "MailerLayer", "Metadata", "BuildArchitecture")
            == items(GLOBALS["Architectures"])[0]
        )

    @pytest.mark.parametrize("makefile", ["Makefile", "layers/mailer/Makefile"])
    def test_no_makefile_names_another_version(self, makefile: str) -> None:
        assert set(re.findall(r"(?:python|Python |python-version )(3\.\d+)", text(makefile))) == {self.python}

    def test_the_layer_is_built_for_the_architecture(self) -> None:
        assert (
            re.findall(r"--platform manylinux\w+?_(x86_64|aarch64)", text("layers/mailer/Makefile"))
            == GLOBALS["Architectures"]
        )

    def test_the_xray_sdk_is_not_in_the_layer(self) -> None:
        assert GLOBALS["Tracing"] == "Active"
        assert "aws-xray-sdk" not in text("requirements.lock")


class TestLocks:
    @pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock", "requirements-sam.lock"])
    def test_a_lock_names_no_download_address(self, lock: str) -> None:
        assert not re.search(r"://|--index-url|--find-links", text(lock))

    @pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock", "requirements-sam.lock"])
    def test_every_requirement_of_a_lock_has_a_hash(self, lock: str) -> None:
        requirements = re.split(r"\n(?=\S)", re.sub(r"(?m)^\s*#.*\n?", "", text(lock)).strip())
        assert not [line.split()[0] for line in requirements if "--hash=sha256:" not in line]

    def test_tested_and_deployed_versions_are_the_same(self) -> None:
        deployed = set(re.findall(r"(?m)^(\S+==\S+)", text("requirements.lock")))
        assert deployed <= set(re.findall(r"(?m)^(\S+==\S+)", text("requirements-dev.lock")))
