"""Reads the settings of a picture from its file, whichever program wrote them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from PIL import Image

from stylestudio.picture_settings import containers, editor_graphs, graphs, infotext, invokeai, json_settings, settings
from stylestudio.picture_settings.containers import Texts
from stylestudio.picture_settings.settings import PictureSettings, Trouble

_NOTHING = PictureSettings()
_MIDJOURNEY = re.compile(r" --[a-z]+\b.*| ?Job ID: [0-9a-f-]{36}.*")
_PARTS_OF_PROGRAMS = ("{", "[", "<")


def read(data: bytes) -> PictureSettings:
    """The settings in the bytes of a PNG, WebP, JPEG or AVIF. Raises nothing: `troubles` says what went wrong."""
    return of_texts(containers.texts_of(data))


def read_opened(image: Image.Image) -> PictureSettings:
    """The settings in an opened picture of any format."""
    return of_texts(containers.texts_in(image))


def of_texts(texts: Texts) -> PictureSettings:
    """The settings in the texts of a file. The size is that of the picture if none is written."""
    found = _NOTHING
    for name, reader in _READERS:
        if found.is_whole:
            break
        if (text := texts.by_name.get(name)) and (reading := reader(text)).found:
            found = found.or_else(reading) if found.found else reading
    if not found.program and (table := _loose(texts.by_name)):
        found = json_settings.read(table, "\n".join(f"{key}: {value}" for key, value in table.items()))
    told = [] if found.found or not texts.by_name.keys() & NAMES else [Trouble.UNREADABLE]
    found = _named(found, texts.by_name)
    if found.found and not (found.width and found.height):
        found = replace(found, width=texts.width, height=texts.height)
    return found.with_troubles((*texts.troubles, *told))


def caption_of(texts: Texts) -> str:
    """What the file says of the picture in words: its prompt, else a description without a program's settings."""
    if prompt := of_texts(texts).prompt:
        return prompt
    return next((words for name in _DESCRIPTIONS if (words := _description(texts.by_name.get(name, "")))), "")


# --- One text each


def _prompt(text: str) -> PictureSettings:
    """The graph that ComfyUI ran, or another program's text of this name."""
    return _json(text)


def _workflow(text: str) -> PictureSettings:
    found = graphs.read(editor_graphs.nodes_of(settings.table(text)))
    return replace(found, raw=text[: settings.MOST_RAW])


def _parameters(text: str) -> PictureSettings:
    """A1111's text. Some programs write JSON there: their own, or, as Civitai does, the graph that was run."""
    if (found := _json(text)).found:
        return found
    return _NOTHING if text.lstrip()[:1] in {"{", "["} else infotext.read(text)


def _described(text: str) -> PictureSettings:
    """The same where people write too: it has to look like it."""
    if text.lstrip()[:1] in _PARTS_OF_PROGRAMS:
        return _json(text)
    return infotext.read(text) if infotext.is_infotext(text) else _NOTHING


def _json(text: str) -> PictureSettings:
    if not (table := settings.table(text)):
        return _NOTHING
    nodes = {str(key): node for key, node in table.items() if isinstance(node, dict) and "class_type" in node}
    if nodes:
        return replace(graphs.read(nodes), raw=text[: settings.MOST_RAW])
    if invokeai.is_metadata(table):
        return invokeai.read(table, text)
    return json_settings.read(table, text)


def _invokeai(text: str) -> PictureSettings:
    table = settings.table(text)
    return invokeai.read(table, text) if table else _NOTHING


def _invokeai_2(text: str) -> PictureSettings:
    table = settings.table(text)
    return invokeai.read_2(table, text) if table else _NOTHING


# In this order: what was run before what was written about it, and files of a program before what people may write.
_READERS: tuple[tuple[str, Callable[[str], PictureSettings]], ...] = (
    ("prompt", _prompt),
    ("parameters", _parameters),
    ("invokeai_metadata", _invokeai),
    ("sd-metadata", _invokeai_2),
    ("usercomment", _described),
    ("generation_data", _json),
    ("dream", invokeai.read_1),
    ("comment", _described),
    ("workflow", _workflow),
    ("description", _described),
    ("caption", _described),
)
_DESCRIPTIONS = ("prompt", "usercomment", "caption", "description", "comment")
NAMES = frozenset(name for name, _reader in _READERS)  # of the texts that are read


def _loose(texts: Mapping[str, str]) -> Mapping[str, str]:
    """Easy Diffusion's settings, each a text of its own."""
    return texts if texts.keys() & {"sampler_name", "use_stable_diffusion_model"} and "prompt" in texts else {}


def _named(found: PictureSettings, texts: Mapping[str, str]) -> PictureSettings:
    """With the program that is named elsewhere in the file."""
    software = settings.name(texts.get("software", ""))
    if software.startswith("Fooocus") and found.program in {"", infotext.PROGRAM, "Fooocus"}:
        return infotext.with_version(found, "Fooocus", software.removeprefix("Fooocus").strip(" v"))
    if texts.get("fooocus_scheme") and found.program in {"", infotext.PROGRAM}:
        return infotext.with_version(found, "Fooocus", "")
    if found.program == "NovelAI":
        return replace(found, version=settings.name(texts.get("source", "")))
    return found


def _description(text: str) -> str:
    """A description in words, without settings and without the options that Midjourney appends."""
    if text.lstrip()[:1] in _PARTS_OF_PROGRAMS:
        return ""
    prompt = infotext.read(text).prompt if infotext.is_infotext(text) else text[: settings.MOST_WORDS]
    return settings.words(_MIDJOURNEY.sub("", " ".join(prompt.split())))
