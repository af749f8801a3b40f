"""Installs Nodemailer from its registry, with the version and the hash in `package-lock.json`."""

import shutil
import subprocess
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_INSTALLED = _HERE / "node_modules" / "nodemailer"


class NodemailerMissing(Exception):
    """Nodemailer cannot run on this machine; the text says why."""


def prepare_nodemailer() -> str:
    """Install Nodemailer if it is missing, and return the path of node; raises `NodemailerMissing`."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None:
        raise NodemailerMissing("there is no node on the PATH")
    lock, marker = _HERE / "package-lock.json", _HERE / "node_modules" / ".package-lock.json"
    if _INSTALLED.is_dir() and marker.exists() and marker.stat().st_mtime >= lock.stat().st_mtime:
        return node
    if npm is None:
        raise NodemailerMissing("it is not installed, and there is no npm on the PATH")
    done = subprocess.run((npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"), cwd=_HERE, check=False)  # noqa: S603
    if done.returncode:
        raise NodemailerMissing(f"`npm ci` in {_HERE.name}/ ended with {done.returncode}")
    return node
