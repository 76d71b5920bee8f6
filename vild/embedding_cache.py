"""Vectors of names that were computed before, on disk.

One SQLite file per teacher and list of templates, in the folder `text-embeddings`
of the cache; a row per name. SQLite lets several processes read and write at once
and survives a kill. A file or a row that is damaged is made anew.
"""

import contextlib
import hashlib
import inspect
import json
import sqlite3
import sys
import warnings
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vild.checkpoints.cache import cache_dir
from vild.checkpoints.locks import locked
from vild.teachers import Teacher
from vild.teachers.fingerprints import as_text, fingerprint

_FORMAT = "1"
_WAIT = 60.0  # seconds for another process to finish its writing
_MOST = 500  # names in one query; SQLite's oldest limit is 999


def cache_key(
    teacher: Teacher, templates: Sequence[str], spec: str | None = None
) -> str | None:
    """What the vectors of a name depend on, besides the name.

    Args:
        teacher: any.
        templates: the prompts.
        spec: the specification it was made from, if it was.

    Returns:
        A line of text; None if it cannot be known, and then nothing is cached.
    """
    mark = fingerprint(teacher)
    if mark is None or not getattr(teacher, "cacheable", True):
        return None
    kind = type(teacher)
    facts: dict[str, Any] = {
        "format": _FORMAT,
        "teacher": as_text(mark),
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "templates": list(templates),
    }
    if not hasattr(teacher, "fingerprint"):
        # Nothing but its name is known of it: a change of its code, or of a text it
        # was made with, is a change of its vectors as far as anybody can tell.
        held = getattr(teacher, "__dict__", {})
        texts = {k: str(v) for k, v in held.items() if isinstance(v, str | Path)}
        facts |= {"spec": spec, "texts": texts}
        module = sys.modules.get(type(teacher).__module__)
        try:
            source = inspect.getsource(module) if module else ""
        except (OSError, TypeError):
            return None
        facts["code"] = hashlib.sha256(source.encode()).hexdigest()
    return json.dumps(facts, sort_keys=True)


class EmbeddingCache:
    """Vectors by name, for one teacher and list of templates.

    Args:
        key: of `cache_key`.
        dim: numbers in a vector.

    Example:
        >>> cache = EmbeddingCache("a teacher", dim=2)
        >>> cache.write({"cat": np.ones(2, "float32")})
        >>> cache.read(["cat", "dog"])
        {'cat': array([1., 1.], dtype=float32)}
    """

    def __init__(self, key: str, dim: int) -> None:
        digest = hashlib.sha256(key.encode()).hexdigest()[:24]
        self.path = cache_dir() / "text-embeddings" / f"{digest}.sqlite"
        self._key = key
        self._size = 4 * dim
        self._unusable = False

    def read(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """What is there of these names.

        Args:
            names: any.

        Returns:
            Name -> (D,) float32, for those that are there.
        """
        found: dict[str, np.ndarray] = {}

        def look(connection: sqlite3.Connection) -> None:
            for start in range(0, len(names), _MOST):
                some = list(names[start : start + _MOST])
                marks = ",".join("?" * len(some))
                query = f"SELECT name, vector, crc FROM vectors WHERE name IN ({marks})"
                for name, vector, crc in connection.execute(query, some):
                    sound = isinstance(vector, bytes) and len(vector) == self._size
                    if sound and _checksum(name, vector) == crc:
                        found[name] = np.frombuffer(vector, "<f4").astype("float32")

        self._run(look)
        return found

    def write(self, vectors: dict[str, np.ndarray]) -> None:
        """Adds vectors, all of them or none.

        Args:
            vectors: name -> (D,) float32.
        """
        rows = [
            (name, data, _checksum(name, data))
            for name, vector in vectors.items()
            for data in [np.asarray(vector, "<f4").tobytes()]
        ]
        insert = "INSERT OR REPLACE INTO vectors VALUES (?,?,?)"
        self._run(lambda connection: connection.executemany(insert, rows))

    def _run(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Does something in one transaction.

        A cache only saves time: where it cannot be kept, there is one warning, and
        nothing is done.
        """
        for _ in range(2):  # once more after damage
            if self._unusable:
                return
            before = _identity(self.path)
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with contextlib.closing(_open(self.path, self._key)) as file, file:
                    work(file)
                return
            except (sqlite3.OperationalError, OSError) as error:
                self._give_up(error)  # busy, full or forbidden
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                self._remove(error, before)

    def _remove(self, damage: Exception, which: Any) -> None:
        """Makes room for a new file in place of a damaged one."""
        try:
            # Another process may have seen the damage too and be done already.
            with locked(self.path.with_suffix(".lock")):
                if _identity(self.path) == which:
                    for path in (self.path, Path(f"{self.path}-journal")):
                        path.unlink(missing_ok=True)
        except OSError as error:
            self._give_up(error)
        else:
            warnings.warn(
                f"The cache file {self.path} was damaged ({damage}) and is made anew.",
                stacklevel=2,
            )

    def _give_up(self, error: Exception) -> None:
        self._unusable = True
        warnings.warn(
            f"Vectors of words cannot be kept in {self.path} ({error}), so they will "
            "be computed again next time: name another folder by VILD_CACHE.",
            stacklevel=2,
        )


def _open(path: Path | str, key: str) -> sqlite3.Connection:
    """Opens a file, or makes it."""
    connection = sqlite3.connect(path, timeout=_WAIT, isolation_level="IMMEDIATE")
    try:
        tables = {
            row[0] for row in connection.execute("SELECT name FROM sqlite_master")
        }
        columns = [row[1] for row in connection.execute("PRAGMA table_info(vectors)")]
        if columns not in ([], ["name", "vector", "crc"]):
            raise sqlite3.DatabaseError(f"it has the columns {', '.join(columns)}")
        if "vectors" not in tables:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS vectors "
                "(name TEXT PRIMARY KEY, vector BLOB, crc INTEGER) WITHOUT ROWID"
            )
        if "about" not in tables:
            # For a person who wonders what this file is.
            connection.execute("CREATE TABLE IF NOT EXISTS about (key TEXT UNIQUE)")
            with connection:
                connection.execute("INSERT OR IGNORE INTO about VALUES (?)", [key])
    except BaseException:
        connection.close()
        raise
    return connection


def _identity(path: Path) -> tuple[int, int] | None:
    """Tells a file from one that took its place."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _checksum(name: str, vector: bytes) -> int:
    """Of both, so that a damaged name is not taken for another one."""
    return zlib.crc32(vector, zlib.crc32(name.encode()))
