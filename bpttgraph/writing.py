"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .errors import BPTTError

__all__ = ["write"]


def write(files: Mapping[Path, bytes], folders: bool = True) -> None:
    """Write files that are complete in memory, and make their `folders`: all under other names first, forced to the disk, then renamed.

    Whatever stops it, a full disk or an interrupt, leaves every file as it was before or whole. What is no regular file (a pipe,
    /dev/stdout) is written to as it stands.

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
