"""What readings say to people: on a dataset's page, and in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from training.datasets.collecting import encodings, readings
from training.datasets.collecting.folder_names import Why
from training.datasets.collecting.readings import Option
from training.datasets.reading_models import Reading


def headline(reading: Reading) -> str:
    """What was read, or what somebody has to choose, in a sentence."""
    if reading.kind == Reading.Kind.FOLDERS:
        return _of_folders(reading)
    count = reading.texts.count()
    if reading.is_asked:
        return _question(reading, count)
    label = encodings.ENCODINGS[reading.choice].label
    if reading.kind == Reading.Kind.NAMES:
        said = ngettext(
            "%(count)d file name is not in Unicode. It was read as %(encoding)s.",
            "%(count)d file names are not in Unicode. They were read as %(encoding)s.",
            count,
        )
    else:
        said = ngettext(
            "%(count)d caption file is not in UTF-8. It was read as %(encoding)s.",
            "%(count)d caption files are not in UTF-8. They were read as %(encoding)s.",
            count,
        )
    return said % {"count": count, "encoding": label}


def _question(reading: Reading, count: int) -> str:
    if reading.kind == Reading.Kind.NAMES:
        said = ngettext(
            "%(count)d file name could be read in several ways. Which one is right?",
            "%(count)d file names could be read in several ways. Which one is right?",
            count,
        )
    else:
        said = ngettext(
            "%(count)d caption file could be read in several ways, so it was not taken yet. Which one is right?",
            "%(count)d caption files could be read in several ways, so they were not taken yet. Which one is right?",
            count,
        )
    return said % {"count": count}


def _of_folders(reading: Reading) -> str:
    chosen = next((each for each in readings.options(reading) if each.value == reading.choice), None)
    return " ".join(filter(None, [_chosen(reading, chosen), _left_out(reading.facts.get("left_out", 0))]))


def _chosen(reading: Reading, chosen: Option | None) -> str:
    named = ", ".join(f"“{each.folder}”" for each in readings.options(reading))
    why = reading.facts.get("why", "")
    if not named:
        return ""
    if chosen:
        said = _("Read from the folder name “%(folder)s”: %(what)s.")
        given = reading.facts.get("given", {})
        said %= {"folder": chosen.folder, "what": taken(given) or _("nothing that was not there")}
        others = [each.folder for each in readings.options(reading) if each.value != chosen.value]
        if others:
            also = _("Only this folder counts, and not %(folders)s.")
            said += " " + also % {"folders": ", ".join(f"“{folder}”" for folder in others)}
        return said
    if reading.is_asked and why == Why.SEVERAL:
        return _(
            "These folders may be several concepts: %(folders)s. A dataset has one set of trigger words and repeats. "
            "Which folder gives them?"
        ) % {"folders": named}
    if reading.is_asked:
        return _(
            "%(folders)s may be kohya's repeats and trigger words, or the folder of a camera. Which one is it?"
        ) % {"folders": named}
    if why == Why.CAMERA:
        return _("%(folders)s looks like the folder of a camera, so no repeats and no trigger words were read.") % {
            "folders": named
        }
    if why == Why.NUMBERING:
        return _("The numbers of %(folders)s look like an order, so no repeats and no trigger words were read.") % {
            "folders": named
        }
    return _("No repeats and no trigger words were read from %(folders)s.") % {"folders": named}


def taken(given: dict[str, object]) -> str:
    """Repeats and trigger words, as far as there are any."""
    parts = []
    if repeats := given.get("repeats"):
        count = int(str(repeats))
        parts.append(ngettext("%(count)d repeat", "%(count)d repeats", count) % {"count": count})
    if words := given.get("trigger_words"):
        parts.append(_("trigger words “%(words)s”") % {"words": words})
    return ", ".join(parts)


def _left_out(count: int) -> str:
    if not count:
        return ""
    said = ngettext(
        "%(count)d regularisation picture was left out: it shows what the style is not. To add it anyway, drop its "
        "folder by itself.",
        "%(count)d regularisation pictures were left out: they show what the style is not. To add them anyway, drop "
        "their folder by itself.",
        count,
    )
    return said % {"count": count}


def lines(reading: Reading) -> Iterator[str]:
    """The same for a terminal, with samples, and how to choose there."""
    yield headline(reading)
    shown = readings.samples(reading)
    for sample in shown if reading.is_asked else shown[:1]:
        yield f"  {sample.value}: {' | '.join(sample.texts)}"
    if reading.is_asked and reading.kind != Reading.Kind.FOLDERS:
        yield _("Say it with --encoding, or choose on the page of the dataset.")
    elif reading.is_asked:
        yield _("Choose on the page of the dataset.")
    elif shown[1:]:
        yield _("If that is wrong, say it with --encoding, or choose on the page of the dataset.")
