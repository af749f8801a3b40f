"""The published clients of Medplum and Courier, with the versions and hashes of `package-lock.json`."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from local.client import Json
from local.option import ROOT

_FOLDER = ROOT / "tests" / "seeds" / "clients"
_PATIENCE_SECONDS = 60.0
_SHOWN = 1000


class ClientsMissing(Exception):
    """The clients cannot run on this machine; the text says why."""


@dataclass(frozen=True, slots=True)
class PublishedClients:
    """Runs each client in a separate process, as its users do."""

    node: str

    def send(self, client: str, *, base_url: str, token: str, message: Json) -> Json:
        """Let a client send a message. In the result, `answer` is the client's result and `refused` its error."""
        done = subprocess.run(  # noqa: S603 -- this repository's own script
            (self.node, f"{client}.mjs"),
            input=json.dumps({"baseUrl": base_url, "token": token, "message": message}),
            cwd=_FOLDER,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-_SHOWN:]
        result: Json = json.loads(done.stdout.splitlines()[-1])
        return result


def install_clients() -> PublishedClients:
    """Install the clients if they are missing; raises `ClientsMissing`."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None:
        raise ClientsMissing("there is no node on the PATH")
    if _is_installed():
        return PublishedClients(node)
    if npm is None:
        raise ClientsMissing("they are not installed, and there is no npm on the PATH")
    command = (npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    done = subprocess.run(command, cwd=_FOLDER, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        raise ClientsMissing(f"`npm ci` in {_FOLDER.relative_to(ROOT)} ended with {done.returncode}")
    return PublishedClients(node)


def _is_installed() -> bool:
    lock, marker = _FOLDER / "package-lock.json", Path(_FOLDER, "node_modules", ".package-lock.json")
    return marker.exists() and marker.stat().st_mtime >= lock.stat().st_mtime
