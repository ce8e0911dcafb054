"""Checkpoints: one `.npz` file that is always whole, and nothing in it that could run."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BPTTError

__all__ = ["load_checkpoint", "save_checkpoint"]

Array = np.ndarray[Any, Any]


def save_checkpoint(path: str | Path, about: str, arrays: Mapping[str, Array]) -> None:
    """Write to a temporary name, force it to the disk, rename: whenever the process dies, one whole file is there."""
    target = Path(path)
    name = target.with_name(f".{target.name}.part")  # always the same, so that a killed run leaves at most one behind
    try:
        with name.open("wb") as file:
            np.savez(file, about=np.array(about), **{key: np.asarray(a) for key, a in arrays.items()})  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except OSError as error:
        name.unlink(missing_ok=True)
        raise BPTTError(
            f"cannot write {str(target)!r}: {error.strerror}", "choose a folder that exists, on a disk with room"
        ) from None
    except BaseException:
        name.unlink(missing_ok=True)
        raise


def load_checkpoint(path: str | Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """What `save_checkpoint` wrote: the description and the arrays.

    It wrote them as they are, so nothing in a checkpoint can unpack to more than the file holds.
    """
    fix = "it is no checkpoint of bpttgraph train; choose another file, or delete it"
    try:
        with zipfile.ZipFile(path) as archive:
            if any(item.compress_type != zipfile.ZIP_STORED for item in archive.infolist()):
                raise zipfile.BadZipFile("a checkpoint is not compressed")
        with np.load(path, allow_pickle=False) as found:
            arrays = {key: found[key] for key in found.files}
        about = json.loads(str(arrays.pop("about")))
        losses = arrays["losses"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, RecursionError, MemoryError) as error:
        raise BPTTError(f"{path} cannot be read ({type(error).__name__})", fix) from None
    if not isinstance(about, dict) or not {"iteration", "count", "smooth"} <= set(about) or losses.ndim != 1:
        raise BPTTError(f"{path} is damaged", fix)
    return about, arrays
