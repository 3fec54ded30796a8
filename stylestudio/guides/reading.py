"""One page of documents as HTML. Nothing in it is taken as HTML, and no attribute is a style."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from django.templatetags.static import static
from django.utils.safestring import SafeString, mark_safe

if TYPE_CHECKING:
    from markdown_it.token import Token

PICTURES = "guides"  # the folder of the static files that has the pictures of the documents


@dataclass(frozen=True, slots=True)
class Text:
    """A page: its title, its HTML without the title, and its sections, each with anchor and heading."""

    title: str
    html: SafeString
    sections: tuple[tuple[str, str], ...]


def read(source: str, address: Callable[[str], str]) -> Text:
    """Read a page. `address` says where a relative link leads, "" for nowhere: of such a link the words remain."""
    from markdown_it import MarkdownIt  # few read help

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(source)
    title, sections = "", []
    for opening, inside in pairwise(tokens):
        opening.attrs.pop("style", None)  # of a column that is set to one side
        if opening.type == "heading_open":
            words = "".join(child.content for child in inside.children or ())
            opening.attrs["id"] = anchor(words)
            if opening.tag == "h1":
                title = words
            elif opening.tag == "h2":
                sections.append((anchor(words), words))
    for token in tokens:
        token.children = token.children and list(_within(token.children, address))
    html = reader.renderer.render([*_without_title(tokens)], reader.options, {})
    # What is wider than its place is scrolled with the keyboard too.
    html = html.replace("<pre>", '<pre tabindex="0">')
    return Text(title, mark_safe(html), tuple(sections))  # noqa: S308 - escaped by the reader, which takes no HTML


def anchor(heading: str) -> str:
    """The anchor of a heading, spelled as code forges do."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _without_title(tokens: list[Token]) -> Iterator[Token]:
    in_title = False
    for token in tokens:
        in_title = in_title or (token.type == "heading_open" and token.tag == "h1")
        if not in_title:
            yield token
        in_title = in_title and token.type != "heading_close"


def _within(tokens: list[Token], address: Callable[[str], str]) -> Iterator[Token]:
    """The tokens of a line, with links and pictures where they are here."""
    left: list[bool] = []  # of each link that is open, whether it was left out
    for token in tokens:
        if token.type == "link_open":
            target = str(token.attrs["href"])
            is_elsewhere = re.match(r"https?://", target) is not None
            token.attrs["href"] = target if is_elsewhere else address(target)
            if is_elsewhere:
                token.attrs["rel"] = "noopener noreferrer"
            left.append(not token.attrs["href"])
        is_left_out = token.type in ("link_open", "link_close") and left[-1]
        if token.type == "link_close":
            left.pop()
        if token.type == "image":
            token.attrs["src"] = static(f"{PICTURES}/{posixpath.basename(str(token.attrs['src']))}")
            token.attrs["loading"] = "lazy"
        if not is_left_out:
            yield token
