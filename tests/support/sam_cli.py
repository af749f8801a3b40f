"""SAM CLI and the embedded stack as processes for tests."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from local.state import STATE_FILE, Stack, read_state
from tests.support.sam_template import ROOT

SAM = ROOT / ".venv-sam" / "bin" / "sam"
BASE_IMAGE = "public.ecr.aws/lambda/python:3.13-x86_64"
BUILT_TEMPLATE = ROOT / ".aws-sam" / "build" / "template.yaml"
# The programs inherit only these variables. An operator's setting in the shell must not reach them.
_INHERITED = ("PATH", "HOME", "TMPDIR", "DOCKER_HOST")
# SAM gets the region and credentials of the stack's cloud, never the credentials of the machine's own account.
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "embedded",
    "AWS_SECRET_ACCESS_KEY": "embedded",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "SAM_CLI_TELEMETRY": "0",
}


def missing() -> str | None:
    """Return a requirement of `sam local` that is missing on this machine, or None."""
    if not SAM.exists():
        return "sam local was not tried: SAM CLI is not installed here; `make build` installs it"
    if not _succeeds("docker", "info"):
        return "sam local was not tried: no Docker engine answers here"
    if not _succeeds("docker", "image", "inspect", BASE_IMAGE):
        return f"sam local was not tried: the image {BASE_IMAGE} is not here"
    return None


def build() -> None:
    """Build for `sam local`, unless the last build is newer than all its sources."""
    sources = [
        ROOT / name for name in ("template.yaml", "samconfig.toml", "requirements.lock", "layers/mailer/Makefile")
    ]
    sources += [path for room in ("functions", "layers") for path in (ROOT / room).rglob("*.py")]
    # Several test processes share one build folder.
    with (ROOT / ".venv-sam" / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if BUILT_TEMPLATE.exists() and BUILT_TEMPLATE.stat().st_mtime > max(path.stat().st_mtime for path in sources):
            return
        subprocess.run(["make", "build"], cwd=ROOT, check=True, capture_output=True)  # noqa: S607 -- found on the PATH


@contextlib.contextmanager
def stack_for_containers(directory: Path) -> Iterator[Stack]:
    """Run an embedded stack that containers can reach, and write SAM's environment file."""
    variables = {"BIND_ADDRESS": "0.0.0.0", "API_PORT": "0", "AWS_PORT": "0", "LOCAL_DIR": str(directory)}  # noqa: S104
    with _process([sys.executable, "-m", "local", "run"], variables, ready="The stack is ready."):
        _run([sys.executable, "-m", "local", "sam-env"], variables)
        yield read_state(directory)
    assert not (directory / STATE_FILE).exists()


@contextlib.contextmanager
def sam_local(command: str, env_vars: Path, port: int) -> Iterator[str]:
    """Run `sam local start-api` or `start-lambda`; yield its address when it listens."""
    options = ["--port", str(port), "--env-vars", str(env_vars), "--warm-containers", "LAZY"]
    with _process([str(SAM), "local", command, *options], {}, ready="Running on "):
        yield f"http://127.0.0.1:{port}"


def invoke(function: str, event: Path, env_vars: Path) -> object:
    """Run `sam local invoke` and return the function's answer."""
    options = ["--event", str(event), "--env-vars", str(env_vars)]
    output = _run([str(SAM), "local", "invoke", function, *options], {})
    return json.loads(output.strip().splitlines()[-1])


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, **ENVIRONMENT, **variables}


def _run(command: list[str], variables: Mapping[str, str]) -> str:
    done = subprocess.run(  # noqa: S603 -- the test's own command
        command, cwd=ROOT, env=_environment(variables), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextlib.contextmanager
def _process(command: list[str], variables: Mapping[str, str], *, ready: str) -> Iterator[None]:
    """Run a program until the block ends; the block begins when the program reports that it is ready."""
    process = subprocess.Popen(  # noqa: S603 -- the test's own command
        command,
        cwd=ROOT,
        env=_environment(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if ready in line:
                break
        else:
            raise AssertionError("".join(said))
        # Further output must not fill the pipe.
        with subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL):  # noqa: S607 -- found on the PATH
            try:
                yield
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _succeeds(*command: str) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0  # noqa: S603
    return False
