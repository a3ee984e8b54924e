"""Compiling C, once for each source text, processor and compiler: the libraries are kept in the user's cache folder."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from glassgrad.autograd.common.files import user_cache, write_file
from glassgrad.autograd.errors import TargetError

FLAGS = (
    "-std=gnu11", "-O2", "-march=native", "-ffp-contract=on", "-fno-math-errno", "-fno-trapping-math", "-fwrapv",
    "-fopenmp-simd", "-fvisibility=hidden", "-shared", "-fPIC", "-Werror=incompatible-pointer-types",
)  # fmt: skip
"""No ``-ffast-math``, which loses NaN and reorders sums. ``-fwrapv``: integers wrap around, as NumPy's do."""

OF_GCC = ("-ftree-vectorize", "-fvect-cost-model=dynamic", "-fpeel-loops", "-fipa-cp-clone")
"""The flags of GCC's ``-O3`` that make programs faster than ``-O2``. All of them would double the compile time."""

SECONDS = 600
"""How long a compiler may take."""


@dataclass(frozen=True)
class Compiler:
    """A C compiler: its command, and its version text, which distinguishes its libraries."""

    command: tuple[str, ...]
    version: str

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags specific to this compiler."""
        return OF_GCC if "Free Software Foundation" in self.version else ()


def run(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command without a shell; return its outcome."""
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False,
        stdin=subprocess.DEVNULL, **options,
    )  # fmt: skip


@cache
def compiler() -> Compiler:
    """``$CC`` if that is set, else ``cc``, ``gcc``, ``clang`` or the compiler of the package ``ziglang``.

    Raises `TargetError` where there is none, or ``$CC`` does not work.
    """
    found = [[path] for name in ("cc", "gcc", "clang") if (path := shutil.which(name))]
    if importlib.util.find_spec("ziglang") is not None:
        found.append([sys.executable, "-m", "ziglang", "cc"])
    named = os.environ.get("CC", "").strip()
    for command in [named.split()] if named else found:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            told = run([*command, "--version"])
            if told.returncode == 0:
                return Compiler(tuple(command), told.stdout)
    if named:
        raise TargetError(
            f"the environment variable CC is {named!r}, and `{named} --version` fails. Set it to the command of a C "
            "compiler, or unset it."
        )
    raise TargetError(
        'no C compiler was found: install gcc or clang, or the package ziglang (pip install "glassgrad[native]").'
    )


@cache
def processor() -> str:
    """An identifier of this processor: code compiled for it may not run on others."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split("\n\n")[0].splitlines()
        told = [line for line in lines if line.split(":")[0].strip() in ("model name", "flags", "Features", "CPU part")]
        if told:
            return "\n".join(told)
    return f"{platform.machine()} {platform.processor()}"


def cache_folder() -> Path:
    """The folder of compiled programs: ``$GLASSGRAD_NATIVE``, or ``native`` in the folder of this package's caches."""
    own = os.environ.get("GLASSGRAD_NATIVE")
    return Path(own).expanduser() if own else user_cache() / "native"


def _folder() -> Path:
    """The cache folder, to which nobody else can write."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    state = folder.stat()
    if os.name == "posix" and (state.st_uid != os.getuid() or state.st_mode & 0o022):
        raise TargetError(
            f"the folder of compiled programs, {folder}, can be written to by others: set GLASSGRAD_NATIVE to one of "
            "your own."
        )
    return folder


def key_of(text: str, flags: Sequence[str]) -> str:
    """The name of the library of a text: a hash of everything it is made from."""
    maker = compiler()
    parts = [*maker.command, maker.version, processor(), *maker.flags, *flags, text]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def compiled(text: str, flags: Sequence[str] = FLAGS) -> Path:
    """The library made of ``text``: from the cache, or compiled and put there.

    Raises `TargetError` where no compiler is found or it fails.
    """
    maker = compiler()
    try:
        path = _folder() / f"{key_of(text, flags)}.so"
        if path.exists():
            return path
        with tempfile.TemporaryDirectory(prefix="glassgrad-") as folder:
            source, made = Path(folder, "program.c"), Path(folder, "program.so")
            source.write_text(text, encoding="utf-8")
            done = run([*maker.command, *maker.flags, *flags, str(source), "-o", str(made), "-lm"])
            if done.returncode or not made.exists():
                said = [line.partition(": ")[2] for line in done.stderr.splitlines() if "error" in line]
                said = said or [f"with {done.returncode}"]
                raise TargetError(f"the C compiler {maker.command[0]} failed: {said[0]}")
            write_file(path, made.read_bytes())
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TargetError(f"the program could not be compiled by {maker.command[0]} and written: {error}.") from error
    return path


def library(text: str, flags: Sequence[str] = FLAGS, *, holds_lock: bool = True) -> Any:
    """The functions of ``text``, loaded. ``holds_lock``: calls keep Python's lock, which is best for short ones."""
    path = compiled(text, flags)
    try:
        return (ctypes.PyDLL if holds_lock else ctypes.CDLL)(str(path))
    except OSError as error:
        path.unlink(missing_ok=True)  # a repaired compiler may have the same version
        raise TargetError(f"the compiled program could not be loaded: {error}.") from error
