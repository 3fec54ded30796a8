"""How templates are written: short lines, tags that stay on one, texts that may be broken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from django.template.loader import get_template

TEMPLATES = Path(__file__).parents[1] / "templates"
LONGEST = 120  # columns
TAG = re.compile(r"\{%(?:(?!%\}).)*%\}|\{\{(?:(?!\}\}).)*\}\}", re.DOTALL)


def sources() -> Iterator[tuple[str, str]]:
    """The name and the text of every template."""
    for file in sorted(TEMPLATES.rglob("*.html")):
        yield file.relative_to(TEMPLATES).as_posix(), file.read_text()


def test_only_a_line_that_is_one_tag_is_long() -> None:
    long = [(name, line) for name, source in sources() for line in source.splitlines() if len(line) > LONGEST]
    assert [(name, line) for name, line in long if not TAG.fullmatch(line.strip())] == []


def test_no_tag_goes_over_lines_where_it_would_be_printed_as_text() -> None:
    assert [(name, tag) for name, source in sources() for tag in TAG.findall(source) if "\n" in tag] == []


def test_texts_that_are_translated_in_blocks_may_be_broken_anywhere() -> None:
    blocks = [(name, tag) for name, source in sources() for tag in TAG.findall(source) if "blocktranslate" in tag]
    assert [each for each in blocks if "endblocktranslate" not in each[1] and " trimmed" not in each[1]] == []


def test_what_is_indented_for_readers_is_not_sent() -> None:
    indented = [name for name, _source in sources() if re.search(r"^[ \t]+", _compiled(name), re.MULTILINE)]
    assert indented == []


def test_where_white_space_is_kept_lines_begin_with_a_tag() -> None:
    kept = [
        (name, text)
        for name, source in sources()
        for _element, text in re.findall(r"<(textarea|pre)\b[^>]*>(.*?)</\1>", TAG.sub("", source), re.DOTALL)
        if re.search(r"\n[ \t]*[^ \t\n]", text)
    ]
    assert kept == []


def _compiled(name: str) -> str:
    return str(get_template(name).template.source)  # type: ignore[attr-defined]  # of Django's own engine


def test_every_icon_is_drawn_somewhere() -> None:
    templates = "".join(source for _name, source in sources())
    drawn = set(re.findall(r'<symbol id="i-([^"]+)"', templates))
    assert set(re.findall(r'{% icon "([^"]+)"', templates)) - drawn == set()
