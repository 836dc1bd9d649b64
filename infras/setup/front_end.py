"""The pages' scripts and styles: npm's packages by their lock file, and the build into static files."""

from collections.abc import Iterator
from pathlib import Path

from infras.setup.command import Log, run, say
from infras.setup.stamps import fingerprint, set_stamp, stands

BUILT = Path("src/yunzhuo/webkit/static/dist")
_SOURCES = Path("frontend")
# Pages are sources, too: styles that no page uses are left out.
_PAGE_FOLDERS = ("src/yunzhuo/web", "src/yunzhuo/webkit")
_PAGE_SUFFIXES = frozenset({".html", ".js"})


def build(root: Path, log: Log) -> None:
    """Install and build what is not yet installed and built from the present sources."""
    if not (root / "package.json").exists():
        return
    packages = fingerprint(str(root), files=[root / "package.json", root / "package-lock.json"])
    stamp = root / "node_modules" / ".yunzhuo.stamp"
    if not stands(stamp, packages):
        say("installing the front end's packages (npm, package-lock.json)")
        run("installing the front end's packages", ["npm", "ci", "--no-audit", "--no-fund"], log, cwd=root)
        set_stamp(stamp, packages)
    built = fingerprint(packages, files=sorted(_sources(root)))
    stamp = root / BUILT / ".yunzhuo.stamp"
    if not stands(stamp, built):
        say("building the front end")
        run("building the front end", ["npm", "run", "build"], log, cwd=root)
        stamp.parent.mkdir(parents=True, exist_ok=True)
        set_stamp(stamp, built)


def _sources(root: Path) -> Iterator[Path]:
    yield from (path for path in (root / _SOURCES).rglob("*") if path.is_file())
    for folder in _PAGE_FOLDERS:
        for path in (root / folder).rglob("*"):
            if path.suffix in _PAGE_SUFFIXES and not path.is_relative_to(root / BUILT):
                yield path
