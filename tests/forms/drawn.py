"""Forms as they are drawn: the inputs of a piece of a page, and what is said of them."""

from __future__ import annotations

from html.parser import HTMLParser

CONTROLS = {"input", "select", "textarea"}
VOID = {"input", "img", "br"}


class Drawn(HTMLParser):
    """Inputs with their attributes; ids, the labels that name inputs, and the text of every element with an id."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.controls: list[dict[str, str]] = []
        self.groups: list[dict[str, str]] = []
        self.labelled: set[str] = set()
        self.texts: dict[str, str] = {}
        self._open: list[tuple[str, str]] = []
        self.legends = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an input, a group or a label."""
        told = {name: value or "" for name, value in attrs}
        if tag in CONTROLS and told.get("type") != "hidden":
            wrapped = any(each == "label" for each, _id in self._open)
            self.controls.append({**told, "tag": tag, "wrapped": "yes" if wrapped else ""})
        if tag == "fieldset":
            self.groups.append(told)
        if tag == "label" and told.get("for"):
            self.labelled.add(told["for"])
        self.legends += tag == "legend"
        if tag not in VOID:
            self._open.append((tag, told.get("id", "")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Parts of a drawing: nothing of a form."""

    def handle_endtag(self, tag: str) -> None:
        """Close what was opened."""
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Add to the text of all that is open."""
        for _tag, name in self._open:
            if name:
                self.texts[name] = f"{self.texts.get(name, '')}{data}"
