"""Unpack a server's Debian packages into a directory of their own. Nothing is installed on the machine.

The directory is a root for `chroot`: the server finds its files at the paths that it was built for, and its libraries
come from packages too. Only `apt-get download` and `dpkg -x` are used, and no maintainer script runs.
"""

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_DOWNLOAD_SECONDS = 300
_FURTHER = frozenset({"netbase", "exim4-base", "dovecot-core", "zlib1g"})
# They are libraries by name only, and need a whole system.
_LEFT_OUT = re.compile(r"libpam-runtime|libdebian|libfile-|libtext-|libnumber-|.*-perl$")
_USERS = {
    "root": 0,
    "daemon": 1,
    "mail": 8,
    "postfix": 901,
    "Debian-exim": 902,
    "opensmtpd": 903,
    "opensmtpq": 904,
    "dovecot": 905,
    "dovenull": 906,
    "mailer": 907,
}
_GROUPS = {**_USERS, "postdrop": 908, "nogroup": 65534}
_DEVICES = {"null": (1, 3), "zero": (1, 5), "random": (1, 8), "urandom": (1, 9)}


class NotAvailable(Exception):
    """A server cannot be unpacked or started on this machine; the text says why."""


def user_id(name: str) -> int:
    """Return the id of a user in every root."""
    return _USERS[name]


def group_id(name: str) -> int:
    """Return the id of a group in every root."""
    return _GROUPS[name]


def unpack(package: str, directory: Path) -> Path:
    """Return a root with the package and its libraries; raises `NotAvailable`.

    Packages and roots are kept in `directory`, so a second run needs no network.
    """
    if os.geteuid() != 0:
        raise NotAvailable("chroot needs root")
    missing = [tool for tool in ("apt-get", "apt-cache", "dpkg", "chroot") if shutil.which(tool) is None]
    if missing:
        raise NotAvailable(f"this machine has no {missing[0]}")
    archives = _download(package, directory / f"{package}.packages")
    root = directory / package
    complete = root / "complete"
    if not complete.exists():
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        for archive in archives:
            _run(["dpkg", "-x", str(archive), str(root)])
        complete.touch()
    _furnish(root)
    return root


def _download(package: str, kept: Path) -> Sequence[Path]:
    complete = kept / "complete"
    if not complete.exists():
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        if not _depends(package):
            _run(["apt-get", "update", "-qq"])
        _run(["apt-get", "download", "-qq", *sorted(_closure(package))], cwd=kept)
        complete.touch()
    return sorted(kept.glob("*.deb"))


def _closure(package: str) -> set[str]:
    depends = _depends(package)
    found, open_ = {package}, [package]
    while open_:
        for name in depends.get(open_.pop(), ()):
            if name not in found and (name.startswith("lib") or name in _FURTHER) and not _LEFT_OUT.match(name):
                found.add(name)
                open_.append(name)
    return found


def _depends(package: str) -> Mapping[str, Sequence[str]]:
    """Return what the package, and each package that it needs, depends on; empty if apt does not know the package."""
    options = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
    listed = _run(["apt-cache", "depends", "--recurse", *options, package], may_fail=True)
    depends: dict[str, list[str]] = {}
    current: list[str] = []
    for line in listed.splitlines():
        if not line.startswith((" ", "<", "|")):
            current = depends.setdefault(line.strip(), [])
        elif matched := re.search(r"Depends: ([a-z0-9][a-z0-9.+-]*)$", line):
            current.append(matched[1])
    return depends


def _furnish(root: Path) -> None:
    for name in ("dev", "tmp", "run", "var/run", "var/log", "etc"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    for name, (major, minor) in _DEVICES.items():
        if (root / "dev" / name).exists():
            continue
        try:
            os.mknod(root / "dev" / name, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
            (root / "dev" / name).chmod(0o666)
        except PermissionError as error:
            raise NotAvailable("this machine allows no device files, which the servers need") from error
    users = "".join(f"{name}:x:{number}:{number}::/nonexistent:/bin/false\n" for name, number in _USERS.items())
    (root / "etc/passwd").write_text(users)
    (root / "etc/group").write_text("".join(f"{name}:x:{number}:\n" for name, number in _GROUPS.items()))
    (root / "etc/hosts").write_text("127.0.0.1 localhost relay.example.com\n")
    (root / "etc/resolv.conf").write_text("")
    (root / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\nservices: files\n")


def _run(command: Sequence[str], *, cwd: Path | None = None, may_fail: bool = False) -> str:
    try:
        done = subprocess.run(  # noqa: S603 -- fixed commands
            command, cwd=cwd, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NotAvailable(f"{' '.join(command[:2])} took too long") from error
    if done.returncode and not may_fail:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise NotAvailable(f"{' '.join(command[:2])} failed: {said}")
    return done.stdout
