"""Files: read up to a limit, whatever they are, and written whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from ..errors import BPTTError

__all__ = ["check_place", "decoded", "read_bytes", "read_text", "write"]


def read_bytes(path: Path, most: int, fix: str) -> bytes:
    """What a file holds, a pipe or /dev/stdin as well, up to `most` bytes.

    Raises:
        BPTTError: it cannot be read, is a terminal, a pipe into which nobody writes, or longer; `fix` says what to do
            then.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(handle, "rb") as file:
            if file.isatty():
                raise BPTTError(f"{str(path)!r} is a terminal, not a file", "give the path of a file, or - to type")
            status = os.fstat(handle)
            first = _first(handle, path) if stat.S_ISFIFO(status.st_mode) else b""
            size = status.st_size if stat.S_ISREG(status.st_mode) else most
            content = first + file.read(max(0, min(size, most) + 1 - len(first)))
    except IsADirectoryError:
        raise BPTTError(f"{str(path)!r} is not a file, but a folder", "give the path of a file") from None
    except OSError as error:
        raise BPTTError(f"cannot read {str(path)!r}: {error.strerror or error}", "give the path of a file") from None
    except BPTTError:
        raise
    except ValueError:  # a null character
        raise BPTTError(f"{str(path)!r} is no name of a file", "give the path of a file") from None
    if len(content) > most:
        raise BPTTError(f"{_called(path)} is longer than {most:,} bytes", fix)
    return content


PATIENCE = 1.0  # seconds in which somebody may begin to write into a pipe


def _first(handle: int, path: Path) -> bytes:
    """What comes first out of a pipe; it is waited for only if somebody has the pipe open for writing."""
    found: bytes | None = b""
    until = time.monotonic() + PATIENCE
    while found == b"" and time.monotonic() < until:  # the writer may just be starting
        try:
            found = os.read(handle, 65_536)
        except BlockingIOError:
            found = None
        if found == b"":
            time.sleep(PATIENCE / 20)
    os.set_blocking(handle, True)
    if found == b"":
        raise BPTTError(f"nobody writes into the pipe {str(path)!r}", "give the path of a file")
    return found or b""


def read_text(path: Path, most: int, fix: str) -> str:
    """The same as text, in UTF-8."""
    return decoded(read_bytes(path, most, fix), _called(path))


def _called(path: Path) -> str:
    """The name of a file on one line: a line break in it is not to look like a line of ours."""
    return " ".join(path.name.split())


def decoded(content: bytes, name: str) -> str:
    """UTF-8 as text; `name` says in an error what it is."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BPTTError(f"{name} is not UTF-8 text (byte {error.start})", "save it as plain UTF-8 text") from None


def check_place(path: Path, folders: bool = True) -> None:
    """Ask before the work whether a file can be written: its folder is there, or `folders` may be made, and it is no
    folder itself.

    Raises:
        BPTTError: what stands in the way.
    """
    if os.path.isdir(path):
        raise BPTTError(f"{str(path)!r} is a folder", "add the name of a file")
    folder = path.parent
    while folders and not os.path.exists(folder) and folder != folder.parent:
        folder = folder.parent
    if not os.path.isdir(folder):
        what = "is a file, not a folder" if os.path.exists(folder) else "is not there"
        raise BPTTError(f"there is no folder {folder}: it {what}", "make it first, or choose another place")
    if not os.access(folder, os.W_OK):
        raise BPTTError(f"cannot write in the folder {folder}", "choose another place")


def write(files: Mapping[Path, bytes], folders: bool = True) -> None:
    """Write files that are complete in memory, and make their `folders`: all under other names first, forced to the
    disk, then renamed.

    Whatever stops it, a full disk or an interrupt, leaves every file as it was before or whole. What is no regular file
    (a pipe, /dev/stdout) is written to as it stands.

    Raises:
        BPTTError: the file and why it cannot be written.
    """
    pending: list[tuple[Path, Path]] = []
    path = Path()
    try:
        for path, data in files.items():
            if folders:
                path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and not path.is_file() and not path.is_dir():
                with path.open("wb") as file:
                    file.write(data)
                continue
            handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
            pending.append((Path(name), path))
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o666 & ~_mask())  # mkstemp makes private files
        for temporary, path in pending:
            os.replace(temporary, path)
    except OSError as error:
        raise BPTTError(
            f"cannot write {str(path)!r}: {error.strerror or error}", "choose another place, on a disk with room"
        ) from None
    finally:
        for temporary, _ in pending:
            temporary.unlink(missing_ok=True)


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
