"""Compiling: where libraries are kept, and what happens without a compiler or with a damaged cache."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.compiler.targets.c import build
from glassgrad.autograd.errors import TargetError
from tests.autograd.compiler.targets.c.native import needs_compiler

TEXT = '__attribute__((visibility("default"))) int answer(void) { return 42; }\n'


@needs_compiler
def test_a_library_is_compiled_once(own_cache, monkeypatch):
    path = build.compiled(TEXT)
    assert path.parent == own_cache
    assert build.library(TEXT).answer() == 42
    with monkeypatch.context() as patch:
        patch.setattr(build, "run", None)
        assert build.compiled(TEXT) == path
    assert {file.suffix for file in own_cache.iterdir()} == {".so"}


@needs_compiler
def test_the_name_of_a_library_depends_on_all_of_its_inputs(monkeypatch):
    keys = {build.key_of(TEXT, build.FLAGS), build.key_of(TEXT + " ", build.FLAGS), build.key_of(TEXT, ["-O1"])}
    monkeypatch.setattr(build, "processor", lambda: "another")
    assert len(keys | {build.key_of(TEXT, build.FLAGS)}) == 4
    assert all(key.isalnum() for key in keys)


@needs_compiler
def test_a_folder_that_others_can_write_to_is_not_used(monkeypatch, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setenv("GLASSGRAD_NATIVE", str(shared))
    with pytest.raises(TargetError, match=r"shared, can be written to by others: set GLASSGRAD_NATIVE"):
        build.compiled(TEXT)
    assert not [*shared.iterdir()]


@needs_compiler
def test_a_text_that_is_no_c_is_refused_with_what_the_compiler_said():
    with pytest.raises(TargetError, match=r"the C compiler .* failed: .*error"):
        build.compiled("int f(void) { return nothing; }")


@pytest.mark.parametrize("named", ["a-compiler-that-is-not-there", f"{sys.executable} -c raise"])
def test_a_failing_compiler_named_by_cc_is_reported(monkeypatch, named):
    monkeypatch.setenv("CC", named)
    build.compiler.cache_clear()
    try:
        with pytest.raises(TargetError, match=re.escape(f"CC is {named!r}, and `{named} --version` fails. Set it to")):
            ag.compile(ag.exp, target="c")(ag.ones(2))
    finally:
        build.compiler.cache_clear()


@needs_compiler
def test_a_full_cache_is_reported(own_cache, monkeypatch):
    def full(self: Any, target: Any) -> None:
        raise OSError(28, "No space left on device")

    before = {*own_cache.iterdir()}
    monkeypatch.setattr(build.Path, "replace", full)
    with pytest.raises(TargetError, match=r"could not be compiled by .* and written: .*No space left"):
        build.compiled("int full(void) { return 1; }")
    assert {*own_cache.iterdir()} == before


@needs_compiler
def test_a_library_that_cannot_be_loaded_is_not_kept(own_cache, monkeypatch):
    text, run = TEXT.replace("answer", "broken"), build.run

    def writes_garbage(command: Any, **options: Any) -> Any:
        done = run(command, **options)
        if "-o" in command:
            build.Path(command[command.index("-o") + 1]).write_bytes(b"no library")
        return done

    monkeypatch.setattr(build, "run", writes_garbage)
    with pytest.raises(TargetError, match="could not be loaded"):
        build.library(text)
    monkeypatch.setattr(build, "run", run)
    assert build.library(text).broken() == 42


def test_without_a_compiler_c_is_refused_and_auto_stays_with_numpy(monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda name: None)
    build.compiler.cache_clear()
    try:
        with pytest.raises(TargetError, match="no C compiler was found: install gcc or clang, or the package ziglang"):
            ag.compile(ag.exp, target="c")(ag.ones(2))
        step = ag.compile(ag.exp, target="auto")
        for _ in range(20):
            assert step(ag.zeros(2)).data.tolist() == [1.0, 1.0]
    finally:
        build.compiler.cache_clear()


def test_the_cache_is_in_the_users_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("GLASSGRAD_NATIVE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert build.cache_folder() == tmp_path / "glassgrad" / "native"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert build.cache_folder().is_absolute()
