"""Inputs come from forms. Those that a template writes itself are named here, with the reason."""

from __future__ import annotations

import re
from pathlib import Path

TEMPLATES = Path(__file__).parents[2] / "templates"
INPUT = re.compile(r"<(?:input|select|textarea)\b(?![^>]*type=\"hidden\")")

SEARCH = "narrows a list by words or by what it offers; nothing is refused"
ROW = "ticks a row of a list, or moves it: what can be sent is what is listed"
PAGE = "changes what this page shows; nothing is sent"
CHOICE = "offers what there is; anything else has no page"
WIDGET = "draws the field of a form, with the attributes that the form gives it"
BY_HAND = {
    "_account_menu.html": (1, PAGE),
    "_add_to_dataset.html": (1, CHOICE),
    "_board_options.html": (1, ROW),
    "_caption_card.html": (1, ROW),
    "_caption_form.html": (1, "a text beside each picture; its length comes from the model"),
    "_captions_filters.html": (2, SEARCH),
    "_choice.html": (1, ROW),
    "_choose.html": (1, SEARCH),
    "_cover_input.html": (1, WIDGET),
    "_delete.html": (1, PAGE + "; whether pictures go with what is deleted"),
    "_desk.html": (2, PAGE + "; the size of a brush, and how far a mask grows"),
    "_dropped.html": (2, "a script puts the dropped file there; the server looks at what it is"),
    "_dropped_dialog.html": (1, "a script takes the file from it; the server looks at what it is"),
    "_effect.html": (1, PAGE),
    "_grounds.html": (5, PAGE),
    "_health_picture.html": (1, ROW),
    "_live.html": (2, SEARCH),
    "_looks.html": (2, "sorts the wall and sizes its tiles; anything else is as if nothing was chosen"),
    "_mix.html": (2, ROW + "; a weight beyond its ends is taken as the end"),
    "_outlook.html": (1, "its value is the pictures that were shown, and its words count them"),
    "_picker.html": (3, PAGE),
    "_probes_input.html": (1, WIDGET),
    "_reading_encodings.html": (1, CHOICE),
    "_shortcuts.html": (2, PAGE),
    "_row_edit.html": (2, "cells of a table: what they say is held to what a row can order, and said beside them"),
    "_select.html": (1, SEARCH),
    "_shaping.html": (1, ROW),
    "_stages.html": (1, ROW),
    "_style_card.html": (1, ROW),
    "_style_ticks.html": (1, ROW),
    "_tag_list.html": (1, ROW),
    "_tags.html": (1, SEARCH),
    "_tile_acts.html": (1, ROW),
    "_upload.html": (2, "a script sends these files in parts; purposes say what is taken"),
    "_wall_filters.html": (5, SEARCH),
    "boards.html": (1, SEARCH),
    "account.html": (1, "tells password managers whose password it is; nobody sees it"),
    "columns.html": (2, CHOICE),
    "compare.html": (4, PAGE),
    "datasets.html": (1, SEARCH),
    "found_loras.html": (4, SEARCH + "; " + ROW + "; a choice that has a usual value and no error"),
    "new_run.html": (1, "one of many datasets; each as a widget takes longer than the rest of the page"),
    "picture_file.html": (1, WIDGET),
    "row.html": (2, "cells of a table, as in _row_edit.html"),
    "run_base.html": (3, PAGE),
    "run_config.html": (1, CHOICE),
    "snapshot.html": (1, CHOICE),
    "studio.html": (2, PAGE),
    "styles.html": (1, SEARCH),
    "takeovers.html": (1, "the name of a folder; which one may be read is a setting"),
}


def test_a_template_writes_no_input_by_hand_that_is_not_named_here() -> None:
    found = {
        file.name: count
        for file in sorted(TEMPLATES.rglob("*.html"))
        if file.parent.name != "widgets" and (count := len(INPUT.findall(file.read_text())))
    }
    assert found == {name: count for name, (count, _reason) in BY_HAND.items()}


def test_no_template_writes_a_limit_of_an_input_by_hand() -> None:
    """But for four: an untyped part of a hundred, ends that come from the style, a length from the model, and tools
    of which nothing is sent.
    """
    limit = re.compile(r"\s(?:min|max|step|maxlength|minlength)=")
    found = {
        file.name
        for file in sorted(TEMPLATES.rglob("*.html"))
        if file.parent.name != "widgets" and any(limit.search(tag) for tag in _inputs(file.read_text()))
    }
    assert found == {"_caption_form.html", "_desk.html", "_effect.html", "_mix.html"}


def _inputs(source: str) -> list[str]:
    return re.findall(r"<(?:input|select|textarea)\b(?:\{%.*?%\}|\{\{.*?\}\}|[^>])*>", source, re.DOTALL)
