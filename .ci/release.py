"""Everything of a release but the upload, of the files in dist/: ``python .ci/release.py [v1.2.3]``.

Version, citation and changelog agree; the metadata pass `twine check --strict`; the wheel, in a new environment and an
empty folder, installs one package, runs the README's first block and trains. With a tag the version must be the tag's,
and the changelog must have a heading for it and nothing unreleased.
"""

import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def text(name: str) -> str:
    """A file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def disagreements(tag: str) -> list[str]:
    """What contradicts the version, a sentence each."""
    version = re.search(r'^__version__ = "(.+)"$', text("autograd/__init__.py"), re.MULTILINE)[1]
    cited = re.search(r"^version: (.+)$", text("CITATION.cff"), re.MULTILINE)[1]
    unreleased, *released = re.split(r"^## \[", text("CHANGELOG.md").split("## [Unreleased]\n")[1], flags=re.MULTILINE)
    newest = released[0].partition("]")[0] if released else "nothing"
    found = [] if cited == version else [f"CITATION.cff has version {cited}, and the package {version}"]
    if not unreleased.strip() and newest != version:
        found.append(f"the changelog ends with {newest}, and the package has version {version}")
    if tag and (tag != f"v{version}" or newest != version or unreleased.strip()):
        found.append(
            f"the tag is {tag}, the version {version}; the changelog ends with {newest}, or has unreleased entries"
        )
    return found


def main() -> None:
    """Check all; the first command that fails ends it."""
    if found := disagreements(*sys.argv[1:] or [""]):
        sys.exit("\n".join(found))
    files = sorted(map(str, (ROOT / "dist").iterdir()))
    print("dist:", *(Path(file).name for file in files))
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=True)
    with tempfile.TemporaryDirectory() as folder:
        venv.create(Path(folder) / "env", with_pip=True)
        programs = next(path for path in (Path(folder) / "env").iterdir() if path.name in ("bin", "Scripts"))
        empty = Path(folder) / "empty"
        empty.mkdir()

        def run(program: str, *words: str) -> str:
            command = [str(programs / program), *words]
            return subprocess.run(command, cwd=empty, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout

        (wheel,) = (file for file in files if file.endswith(".whl"))
        run("python", "-m", "pip", "--disable-pip-version-check", "--quiet", "install", f"{wheel}[demo]")
        run("python", "-m", "pip", "check")
        shown = run("python", "-m", "pip", "show", "--files", "glassgrad").partition("Files:")[2].split()
        packages = {name.partition("/")[0] for name in shown if not name.startswith("..")}
        assert {name for name in packages if not name.endswith(".dist-info")} == {"glassgrad"}, packages
        print(run("glassgrad", "--version").strip())
        run("python", "-c", re.search(r"```python\n(.*?)```", text("README.md"), re.DOTALL)[1])
        print(run("glassgrad", "digits", "--epochs", "1"))
        print("written:", *sorted(path.relative_to(empty).as_posix() for path in empty.rglob("*") if path.is_file()))


if __name__ == "__main__":
    main()
