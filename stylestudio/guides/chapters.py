"""Which pages of `docs/` are shown to whom, and where each is.

A chapter has a name such as "artists/gallery"; the one that a guide begins with has the name of the guide, "artists".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.contrib.auth.models import User
from django.urls import reverse

from stylestudio.guides import reading
from stylestudio.guides.reading import Text

FOLDER = settings.BASE_DIR / "docs"
FOR_ALL = ("artists", "curators", "glossary")
FOR_OWNERS = ("operators", "reference")
# The chapter about a page, by the name of its view; a namespace stands for all views in it.
ABOUT = {
    "generation:gallery": "artists/gallery",
    "generation:picture": "artists/gallery",
    **dict.fromkeys(
        (
            f"generation:{page}"
            for page in (
                "lists",
                "list",
                "list-new",
                "list-grid",
                "list-row",
                "list-settings",
                "list-zip",
                "word-lists",
            )
        ),
        "artists/lists",
    ),
    "generation:edit": "artists/editing",
    **dict.fromkeys(("generation:recipes", "generation:recipe-add", "generation:recipe"), "curators/recipes"),
    "generation": "artists/pictures",
    "styles:style": "artists/styles",
    "styles": "curators/styles",
    "queue": "artists/pictures",
    **dict.fromkeys(
        (
            f"training:{page}"
            for page in ("trainings", "new-run", "run", "run-config", "run-log", "run-epochs", "checkpoint")
        ),
        "curators/training",
    ),
    **dict.fromkeys((f"training:{page}" for page in ("image", "bulk", "propose")), "curators/captions"),
    "training": "curators/datasets",
}


@dataclass(frozen=True, slots=True)
class Guide:
    """A guide in the table of contents: its first chapter and those that follow, each with its title."""

    name: str
    title: str
    chapters: tuple[tuple[str, str], ...]


def guides_for(user: User) -> tuple[str, ...]:
    """The names of the guides that this person is shown: those about running a studio are for owners."""
    return FOR_ALL + FOR_OWNERS if user.is_superuser else FOR_ALL


def contents(user: User) -> list[Guide]:
    """The table of contents."""
    return [_guide(name) for name in guides_for(user)]


def chapter(name: str, user: User) -> Text | None:
    """The text of a chapter with its links; None if there is no such chapter for this person."""
    shown = guides_for(user)
    if name.partition("/")[0] not in shown or _file(name) not in _files():
        return None
    return _read(name, shown)


def about(view: str) -> str:
    """The address of the chapter about the page of this view, or of the table of contents."""
    namespace = view.partition(":")[0]
    name = ABOUT.get(view) or ABOUT.get(namespace)
    return _address(name) if name else reverse("help")


@lru_cache(maxsize=1)
def _files() -> frozenset[str]:
    """What may be shown at all: names that are asked for are looked up here and never make a path."""
    pages = (path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.md"))
    return frozenset(page for page in pages if page.removesuffix(".md").partition("/")[0] in FOR_ALL + FOR_OWNERS)


def _file(name: str) -> str:
    return f"{name}.md" if "/" in name or f"{name}.md" in _files() else f"{name}/index.md"


def _address(name: str) -> str:
    return reverse("help-chapter", args=[name])


def _read(name: str, shown: tuple[str, ...]) -> Text:
    file = _file(name)
    return _text(file, shown, (FOLDER / file).stat().st_mtime_ns)


@lru_cache(maxsize=200)
def _text(file: str, shown: tuple[str, ...], _changed: int) -> Text:
    def address(target: str) -> str:
        """Where a link in this file leads; "" if there is no page for it here."""
        path, _hash, anchor = target.partition("#")
        page = posixpath.normpath(posixpath.join(posixpath.dirname(file), path)) if path else file
        name = page.removesuffix(".md").removesuffix("/index")
        if page not in _files() or name.partition("/")[0] not in shown:
            return ""
        return f"{_address(name) if path else ''}{_hash}{anchor}"

    return reading.read((FOLDER / file).read_text(encoding="utf-8"), address)


def _guide(name: str) -> Guide:
    text = _read(name, (name,))
    return Guide(name, text.title, tuple(_chapters(name, text)))


def _chapters(guide: str, text: Text) -> Iterator[tuple[str, str]]:
    """Those that the first page of a guide names, in its order."""
    prefix = _address(guide)
    for address in dict.fromkeys(re.findall(r'href="([^"#]+)', text.html)):
        name = f"{guide}/{address.removeprefix(prefix).strip('/')}"
        if address.startswith(prefix) and address != prefix:
            yield name, _read(name, (guide,)).title
