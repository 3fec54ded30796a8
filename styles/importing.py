"""Importing LoRA files: a file is inspected, the person confirms the result, and it becomes a version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from django.contrib.auth.models import User
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from styles import copies, lora
from styles.copies import SUFFIXES as SUFFIXES
from styles.copies import storage_name as storage_name
from styles.for_engines import (
    LEAST_STRENGTH,
    MOST_STRENGTH,
    USUAL_STRENGTHS,
    EnginesCopy,
    base_warning,
    family_title,
)
from styles.import_models import LoraImport
from styles.kinds.of_kind import Kind
from styles.models import Source, State, Style, StyleVersion, version_added
from stylestudio.images import decoding
from stylestudio.media import identity
from stylestudio.media.storage import all_or_nothing
from stylestudio.text import grammar, plain

MOST_BYTES = 2 * 2**30  # of one LoRA file
FACE_SIDE = 768  # pixels of a preview picture that came with a file
MOST_TRIGGER_WORDS = 500  # characters of all trigger words of a version together
MOST_SHOWN, MOST_NAMED = 60, 5  # characters shown of a phrase left out, and phrases shown
FORGOTTEN = timedelta(days=7)  # an import that nobody confirms is deleted after that


class NotTaken(ValueError):
    """The file is refused; the text says why. `version` is the one that already has the same file, if that is the
    reason.
    """

    def __init__(self, text: str, version: StyleVersion | None = None) -> None:
        super().__init__(text)
        self.version = version


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person wants to make of a file. `style` None: a new style called `name`."""

    name: str
    kind: str = Kind.ILLUSTRATION
    style: Style | None = None
    trigger_words: str = ""
    default_strength: float = 1.0
    slider: bool = False
    safe_from: float | None = None
    safe_to: float | None = None
    checkpoint: str = ""
    lightning: str = ""
    author: str = ""
    licence: str = ""
    notes: str = ""
    publish: bool = True


def inspect(file: IO[bytes], name: str, note: lora.Note | None = None) -> lora.Inspection:
    """Inspect a file, including its hashes. Raises NotTaken if it is no LoRA that pictures are made with, or is here
    already.
    """
    try:
        found = lora.inspect(file, plain.name(name), note=note, with_hashes=True)
    except lora.BadLora as error:
        raise NotTaken(str(error)) from error
    if refusal := found.refusal:
        raise NotTaken(refusal)
    assert found.hashes is not None  # with_hashes is set
    versions = StyleVersion.objects.select_related("style")
    if version := versions.filter(sha256=found.hashes.file).first():
        raise NotTaken(_("This file is already here: it is %(version)s.") % {"version": version}, version)
    of_a_copy = Q(engines_sha256=found.hashes.file)
    if source := lora.source_of(found.header.metadata):
        of_a_copy |= Q(sha256=source)
    if version := versions.filter(of_a_copy).first():
        raise NotTaken(
            _("This is the copy that engines get of a file that is already here: %(version)s.") % {"version": version},
            version,
        )
    return found


def engines_copy(file: IO[bytes], found: lora.Inspection) -> EnginesCopy | None:
    """Store the engines' copy of an inspected file; None if they get the file itself. Raises NotTaken and OSError."""
    try:
        return copies.make(file, found, storage_name(found.name))
    except lora.BadLora as error:
        raise NotTaken(str(error)) from error


def receive(
    found: lora.Inspection, file_name: str, user: User, picture: bytes = b"", copy: EnginesCopy | None = None
) -> LoraImport:
    """Record a file that is in the storage as `file_name`, until somebody decides what to make of it.

    `copy` is the engines' copy. If this raises, the caller deletes both files.
    """
    facts, hashes = found.facts, found.hashes
    assert hashes is not None
    triggers, left_out = fitting(facts.triggers)
    row = LoraImport(
        owner=user,
        file=file_name,
        name=found.name,
        title=found.title[:80],
        size=found.header.size,
        sha256=hashes.file,
        tensor_sha256=hashes.tensors,
        triggers=triggers,
        found={
            "family": found.architecture.family.value,
            "layout": found.architecture.layout.value,
            "algorithm": found.architecture.algorithm.value,
            "rank": found.architecture.rank,
            "alpha": found.architecture.alpha,
            "text_encoders": list(found.architecture.text_encoders),
            "trained_on": facts.base_name or facts.base_version,
            "session": facts.session,
            "epoch": facts.epoch,
            "author": facts.author,
            "licence": facts.licence,
            "notes": "\n\n".join(filter(None, (facts.description, facts.usage_hint))),
            "weight": facts.weight,
            "safe": facts.safe,
            "training": [list(pair) for pair in facts.training],
            "proposed": list(facts.proposed),
            "left_out": [*left_out, *facts.left_out],
            "odd_weight": facts.odd_weight,
            "made_for": facts.made_for,
            "behaviour": found.behaviour.as_json(),
            "accelerator": [found.accelerator.name, found.accelerator.sign.value] if found.accelerator else None,
            "copy": [copy.size, copy.sha256] if copy else None,
        },
    )
    if copy:
        row.engines_copy.name = copy.name
    if face := _face(picture or (facts.thumbnail.data if facts.thumbnail else b"")):
        row.picture.save(identity.new_name(".webp"), ContentFile(face), save=False)
    with all_or_nothing() as noted:
        if row.picture:
            noted(str(row.picture.name))
        row.save()
    return row


def fitting(phrases: Iterable[str]) -> tuple[str, list[str]]:
    """As many whole phrases as fit into the trigger words, and the rest; none is cut."""
    kept: list[str] = []
    left: list[str] = []
    for phrase in phrases:
        (kept if len(grammar.join([*kept, phrase])) <= MOST_TRIGGER_WORDS else left).append(phrase)
    return grammar.join(kept), left


def import_file(path: Path, user: User, name: str = "", picture: bytes = b"") -> LoraImport:
    """Inspect a file on this machine and the files beside it, and store a copy. Raises NotTaken and OSError."""
    beside = lora.find_sidecars(path)
    with path.open("rb") as file:
        if path.stat().st_size > MOST_BYTES:
            raise NotTaken(_("This file is larger than 2 GB. No LoRA for a style is."))
        found = inspect(file, name or path.name, lora.read_notes(beside.notes, beside.settings))
        if not picture and beside.picture:
            with suppress(OSError):
                picture = beside.picture.read_bytes()
        with all_or_nothing() as noted:
            copy = engines_copy(file, found)
            if copy:
                noted(copy.name)
            file.seek(0)
            stored = noted(default_storage.save(storage_name(path.name), File(file)))
            return receive(found, stored, user, picture, copy)


def related(row: LoraImport) -> Style | None:
    """The style of which this file is another epoch, or which has the same weights; None if there is none."""
    versions = StyleVersion.objects.filter(style__deleted_at=None, style__is_base=False).select_related("style")
    session = row.found["session"]
    found = versions.filter(session=session).first() if session else None
    found = found or versions.filter(tensor_sha256=row.tensor_sha256).first()
    return found.style if found else None


def twin(row: LoraImport) -> StyleVersion | None:
    """A version with exactly the same weights but other metadata."""
    return StyleVersion.objects.filter(tensor_sha256=row.tensor_sha256).select_related("style").first()


def namesake(name: str, *, sketch: bool = False) -> Style | None:
    """A style with this name, ignoring case, that could get another version."""
    return Style.objects.filter(name__iexact=name.strip(), is_base=False, preview_only=sketch).first()


def is_sketch(row: LoraImport) -> bool:
    """Whether only the preview engine can use the file."""
    return bool(row.found["family"] == lora.Family.SKETCH)


def family_of(row: LoraImport) -> str:
    """The family of a style that the file becomes. Those that the preview engine trains go with the usual recipes."""
    return str(lora.Family.SDXL if is_sketch(row) else row.found["family"])


def other_family(row: LoraImport, style: Style) -> str:
    """Why the file cannot become a version of a style, because the two are for different models; "" if it can. A file
    that does not tell takes the word of the style.
    """
    family = family_of(row)
    if lora.Family.UNKNOWN in (family, style.family) or family == style.family:
        return ""
    words = _("This LoRA is for %(its)s, and %(style)s is for %(ours)s. Make another style of it.")
    return words % {"its": family_title(family), "style": style.title, "ours": style.family_title}


def confirm(row: LoraImport, wish: Wish, user: User) -> StyleVersion:
    """Make a version of the file, for a new style or as the next version of an existing one.

    A file the preview engine trained becomes a style offered only there. Raises NotTaken if the two would be mixed.
    """
    found = row.found
    with transaction.atomic():
        style, sketch, family = wish.style, is_sketch(row), family_of(row)
        if style is None:
            style = Style.objects.create(name=wish.name, kind=wish.kind, owner=user, preview_only=sketch, family=family)
            version = style.versions.get(number=1)
            version.state = State.PUBLISHED if wish.publish else State.DRAFT
        elif style.preview_only != sketch:
            raise NotTaken(
                _("What the preview engine trained becomes a style of its own, for no real engine can use it.")
            )
        elif misfit := other_family(row, style):
            raise NotTaken(misfit)
        else:
            if style.family == lora.Family.UNKNOWN and style.family != family:
                style.family = family
                style.save(update_fields=["family", "updated_at"])
            version = style.new_version()
        values: dict[str, Any] = {
            "source": Source.IMPORTED,
            "tensor_sha256": row.tensor_sha256,
            "family": found["family"],
            "layout": found["layout"],
            "algorithm": found["algorithm"],
            "rank": found["rank"],
            "alpha": found["alpha"],
            "text_encoders": bool(found["text_encoders"]),
            "trained_on": found["trained_on"],
            "session": found["session"],
            "epoch": found["epoch"],
            "training": found["training"],
            "trigger_words": wish.trigger_words,
            "proposed_words": fitting(found.get("proposed", []))[0],
            "made_for": found.get("made_for", ""),
            "behaviour": found.get("behaviour", {}),
            "default_strength": wish.default_strength,
            "slider": wish.slider or not is_usual(wish.default_strength),
            "safe_from": wish.safe_from,
            "safe_to": wish.safe_to,
            "checkpoint": wish.checkpoint,
            "lightning": wish.lightning,
            "author": wish.author,
            "licence": wish.licence,
            "notes": wish.notes,
        }
        for name, value in values.items():
            setattr(version, name, value)
        if row.sheet:
            version.sheet.name, row.sheet = row.sheet.name, None
        version.save()
        copy = EnginesCopy(str(row.engines_copy.name), *found["copy"]) if row.engines_copy else None
        version.take_file(str(row.file.name), row.size, row.sha256, copy)
        if row.picture and not style.cover:
            style.cover, row.picture = row.picture.name, None
            style.save(update_fields=["cover", "updated_at"])
        if wish.publish and version.state != State.PUBLISHED:
            version.publish()
        _forget(row)
    transaction.on_commit(lambda: version_added.send_robust(StyleVersion, version=version, user=user))
    return version


def epochs(row: LoraImport) -> list[LoraImport]:
    """This file and the other waiting files of the same training run, in order of epoch."""
    session = row.found["session"]
    if not session:
        return [row]
    return sorted(LoraImport.objects.filter(owner=row.owner_id, found__session=session), key=by_epoch)


def by_epoch(row: LoraImport) -> tuple[bool, int, int]:
    """Sort key for the files of one training run. The last epoch's file often has no number."""
    epoch = row.found["epoch"]
    return epoch is None, epoch or 0, row.pk


def confirm_all(rows: list[LoraImport], wish: Wish, user: User) -> list[StyleVersion]:
    """Make versions of one style of several files, in order; the last one is published if wished."""
    versions: list[StyleVersion] = []
    with transaction.atomic():
        for row in rows:
            style = versions[0].style if versions else wish.style
            last = row is rows[-1]
            versions.append(confirm(row, replace(wish, style=style, publish=wish.publish and last), user))
    return versions


def discard(row: LoraImport) -> None:
    """Delete the imported file."""
    with transaction.atomic():
        files = [str(stored.name) for stored in (row.file, row.engines_copy) if stored]
        _forget(row)
        transaction.on_commit(lambda: _delete(files))


def discard_forgotten() -> None:
    """Delete imports that nobody has confirmed for a week."""
    for row in LoraImport.objects.filter(created_at__lt=timezone.now() - FORGOTTEN):
        discard(row)


def proposal(row: LoraImport) -> Wish:
    """What the file itself suggests."""
    if kept := row.found.get("wish"):  # from a style card, which specifies everything
        return Wish(**kept)
    safe = row.found.get("safe") or (None, None)
    weight = row.found["weight"] or _within(1.0, safe)
    return Wish(
        name=row.title,
        style=related(row),
        trigger_words=row.triggers,
        default_strength=weight,
        slider=not all(is_usual(strength) for strength in (weight, *safe) if strength is not None),
        safe_from=safe[0],
        safe_to=safe[1],
        author=row.found["author"][:200],
        licence=row.found["licence"][:300],
        notes=row.found["notes"][:4000],
    )


def _within(strength: float, safe: Sequence[float | None]) -> float:
    """The strength, or the nearest within the recommended range."""
    low, high = safe
    return strength if low is None or high is None else min(max(strength, low), high)


def is_usual(strength: float) -> bool:
    """Whether any style may have this strength; others are only for sliders."""
    return USUAL_STRENGTHS[0] <= strength <= USUAL_STRENGTHS[1]


def facts(row: LoraImport) -> Iterator[str]:
    """What keys, shapes and metadata of the file say, in a few words each."""
    found = row.found
    if not is_sketch(row) and found["family"] != lora.Family.UNKNOWN:
        yield _("for %s") % family_title(found["family"])
    yield _("%(algorithm)s in the layout of %(layout)s") % found
    if found["rank"] and found["alpha"] is not None:
        yield _("rank %(rank)d, alpha %(alpha)g") % {"rank": found["rank"], "alpha": found["alpha"]}
    if family_of(row) in (lora.Family.SDXL, lora.Family.SD1):
        yield _("changes U-Net and text encoders") if found["text_encoders"] else _("changes the U-Net")
    else:
        yield _("changes model and text encoders") if found["text_encoders"] else _("changes the model")
    if found["trained_on"]:
        yield _("trained on %s") % found["trained_on"]
    if found.get("safe"):
        yield _("strength from %(low)g to %(high)g") % {"low": found["safe"][0], "high": found["safe"][1]}
    if found["epoch"] is not None:
        yield _("epoch %d") % found["epoch"]


def about_copy(row: LoraImport) -> Iterator[str]:
    """How many tensors engines read, if they get a copy instead of the file."""
    good = lora.behaviour_in_words(lora.Behaviour.from_json(row.found["behaviour"])).good
    if row.engines_copy and good:
        yield good


def warnings(row: LoraImport) -> Iterator[str]:
    """What a person should know before making a style of the file."""
    found = row.found
    if found["family"] == lora.Family.UNKNOWN:
        yield _(
            "It does not tell for which model it was made. No pictures can be made with it until a curator chooses the "
            "model: press Edit on the page of the style."
        )
    yield from lora.behaviour_in_words(lora.Behaviour.from_json(found.get("behaviour", {}))).warnings
    if made_for := found.get("made_for"):
        yield base_warning(made_for)
    if left_out := found.get("left_out"):
        text = ngettext(
            "%(count)d trigger word is too long or one too many and was left out: %(words)s.",
            "%(count)d trigger words are too long or too many and were left out: %(words)s.",
            len(left_out),
        )
        shown = [Truncator(words).chars(MOST_SHOWN) for words in left_out[:MOST_NAMED]]
        yield text % {"count": len(left_out), "words": "; ".join(shown) + (" …" if left_out[MOST_NAMED:] else "")}
    if (odd := found.get("odd_weight")) is not None:
        text = _("The file asks for a strength of %(strength)g. Strengths here go from %(least)g to %(most)g.")
        yield text % {"strength": odd, "least": LEAST_STRENGTH, "most": MOST_STRENGTH}


def accelerator_question(row: LoraImport) -> str:
    """Why the file looks like an accelerator, and what that would mean; "" if it looks like a style."""
    looks = row.found.get("accelerator")
    return accelerator_words(*looks) if looks else ""


def accelerator_words(name: str, sign: str) -> str:
    """The same, for the family `name` and that sign."""
    what = name or _("an accelerator")
    why = {
        lora.Sign.HASH: _("It is the file that its makers publish."),
        lora.Sign.METADATA: _("Its metadata says so."),
        lora.Sign.SHAPE: _("It changes the whole U-Net at rank 64, as distilled ones do, and has no trigger words."),
        lora.Sign.NAME: _("Its name says so, and it has no trigger words."),
    }
    text = _(
        "This looks like an accelerator, not like a style: %(name)s. %(why)s It wants its own sampler and steps, and "
        "two at once break pictures. It belongs in models/loras of the engines, where it is chosen as Lightning file."
    )
    return text % {"name": what, "why": why[lora.Sign(sign)]}


def _forget(row: LoraImport) -> None:
    pictures = [str(stored.name) for stored in (row.picture, row.sheet) if stored]
    row.delete()
    if pictures:
        transaction.on_commit(lambda: _delete(pictures))


def _delete(names: list[str]) -> None:
    for name in names:
        default_storage.delete(name)


def _face(data: bytes) -> bytes:
    """A preview picture that came with a file, re-encoded; empty if it is not a picture."""
    if not data:
        return b""
    try:
        return decoding.thumbnail(data, side=FACE_SIDE)
    except decoding.BadPicture:
        return b""
