"""Builds the kernels once for this machine and keeps the library in the cache folder.

The file's name is a digest of the source, the flags and the processor, so a library is never used where it was not
built for.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from serving_stub.fetch_model import cache_dir

FOLDER = Path(__file__).parent
HEADER = FOLDER / "common.h"
SOURCES = tuple(FOLDER / name for name in ("kernels.cpp", "vectors.cpp", "tiles.cpp", "attention.cpp"))
# Not -ffast-math: a library that is linked with it switches the whole process to numbers without subnormals.
MATH = ("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math", "-freciprocal-math")
FLAGS = ("-O3", "-march=native", *MATH, "-fopenmp", "-std=c++17", "-shared", "-fPIC")
BUILD_LIMIT_S = 120


class NoKernels(Exception):
    """The kernels cannot be had here; the message says why."""


def library_path() -> Path:
    """The built library.

    Raises: NoKernels.
    """
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        raise NoKernels("no C++ compiler was found; on Debian: apt-get install g++")
    known = "\0".join(
        (*(source.read_text(encoding="utf-8") for source in (HEADER, *SOURCES)), *FLAGS, compiler, _processor())
    )
    path = cache_dir() / f"kernels-{hashlib.sha256(known.encode()).hexdigest()[:16]}.so"
    if not path.exists():
        _build(compiler, path)
    return path


def _build(compiler: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Built beside and moved, so that nobody ever loads half a library.
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        built = Path(folder) / path.name
        try:
            subprocess.run(  # noqa: S603  (our own source, with the compiler that the user chose)
                [compiler, *FLAGS, *map(str, SOURCES), "-o", str(built)],
                check=True,
                capture_output=True,
                text=True,
                timeout=BUILD_LIMIT_S,
            )
        except (OSError, subprocess.SubprocessError) as error:
            said = str(getattr(error, "stderr", "") or error).strip().splitlines()
            raise NoKernels(f"{compiler} could not build the kernels: {said[0] if said else error}") from error
        built.replace(path)


def _processor() -> str:
    """What tells one instruction set from another."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(dict.fromkeys(line for line in lines if line.startswith(("model name", "flags"))))
