"""Builds the site: `.venv/bin/python docs/build.py [FOLDER]`, by default into build/docs.

It installs requirements-docs.txt, builds as strictly as Sphinx can (a broken link, a page that no other page lists, a
missing picture), and rejects pages that would make a browser request anything from a foreign host.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FETCHED = {"src", "srcset", "data", "poster", "background", "xlink:href"}
FOREIGN = re.compile(r"^\s*(?:[a-z][a-z+.-]*:)?//", re.IGNORECASE)
IN_STYLES = re.compile(r"""(?:url\(\s*["']?|@import\s*["'])((?:[a-z+.-]+:)?//[^"')\s]+)""", re.IGNORECASE)
IN_SCRIPTS = re.compile(r"""["'`](https?://[^"'`\s]+)""")
# Names of XML vocabularies look like addresses, but nothing requests them.
VOCABULARIES = ("http://www.w3.org/",)


class Fetches(HTMLParser):
    """Collects what a browser fetches automatically to show a page, as opposed to links that people click."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect fetched attributes, and styles in attributes."""
        self._in_style = tag == "style"
        for name, value in attrs:
            if not value:
                continue
            if name in FETCHED or (tag == "link" and name == "href"):
                self.found += [part for part in re.split(r",\s+", value) if FOREIGN.match(part)]
            elif name == "style":
                self.found += IN_STYLES.findall(value)

    def handle_endtag(self, tag: str) -> None:
        """Leave a style element."""
        self._in_style = False

    def handle_data(self, data: str) -> None:
        """Collect addresses in style elements."""
        if self._in_style:
            self.found += IN_STYLES.findall(data)


def foreign(name: str, text: str) -> list[str]:
    """The foreign addresses that a page, style or script of this name makes a browser request."""
    if name.endswith(".html"):
        page = Fetches()
        page.feed(text)
        return page.found
    found = IN_STYLES.findall(text) if name.endswith(".css") else IN_SCRIPTS.findall(text)
    return [address for address in found if not address.startswith(VOCABULARIES)]


def requests(site: Path) -> Iterator[str]:
    """The requests to foreign hosts that the site would cause, one sentence each."""
    for file in sorted(path for path in site.rglob("*") if path.suffix in {".html", ".css", ".js", ".svg"}):
        for address in foreign(file.name, file.read_text(encoding="utf-8")):
            yield f"{file.relative_to(site)} asks for {address}"


def main(arguments: list[str]) -> int:
    """Install, build, check."""
    site = Path(arguments[0]) if arguments else ROOT / "build/docs"
    python = [sys.executable, "-m"]
    lock = str(ROOT / "requirements-docs.txt")
    # The lock names everything, and most modules of the packages are never imported: checking neither halves the time.
    pip = ["pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile"]
    subprocess.run([*python, *pip, "-r", lock], check=True)
    sphinx = ["sphinx", "--fail-on-warning", "--keep-going", "--nitpicky", "--quiet"]
    if subprocess.run([*python, *sphinx, str(ROOT / "docs"), str(site)], check=False).returncode:
        return 1
    if asked := list(requests(site)):
        print(*asked, sep="\n", file=sys.stderr)
        return 1
    print(f"The site is in {site}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
