"""The prompts that pictures carry become proposals, whichever program wrote them; if there are none, that is said."""

from __future__ import annotations

import json
import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test import Client
from PIL import Image, PngImagePlugin

from stylestudio.picture_settings import reading
from stylestudio.picture_settings.containers import Texts
from tests.training.conftest import AddPicture
from training.datasets import dataset_jobs
from training.datasets.captions import captioners
from training.datasets.captions.captioners.notes import FromNotes
from training.datasets.models import Dataset, DatasetImage, DatasetJob

pytestmark = pytest.mark.django_db

FOX = "a fox in the snow, (soft light:1.2), detailed"
API = {
    "3": {
        "class_type": "KSampler",
        "inputs": {"seed": 5, "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0]},
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd_xl.safetensors"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": FOX, "clip": ["4", 1]}},
    "7": {
        "class_type": "CLIPTextEncode",
        "inputs": {"text": "blurry, low quality and a very long list", "clip": ["4", 1]},
    },
}
LINKED = {
    **API,
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["10", 0], "clip": ["4", 1]}},
    "10": {
        "class_type": "StringConcatenate",
        "inputs": {"string_a": ["11", 0], "string_b": "in the snow", "delimiter": " "},
    },
    "11": {"class_type": "PrimitiveString", "inputs": {"value": "a fox"}},
}
CUSTOM = {
    "1": {
        "class_type": "SamplerCustomAdvanced",
        "inputs": {"noise": ["2", 0], "guider": ["3", 0], "sampler": ["9", 0]},
    },
    "3": {"class_type": "BasicGuider", "inputs": {"model": ["4", 0], "conditioning": ["5", 0]}},
    "5": {"class_type": "FluxGuidance", "inputs": {"guidance": 3.5, "conditioning": ["6", 0]}},
    "6": {
        "class_type": "CLIPTextEncodeFlux",
        "inputs": {"clip_l": "fox", "t5xxl": "a fox in the snow", "clip": ["4", 1]},
    },
}
REFINED = {
    "1": {"class_type": "KSamplerAdvanced", "inputs": {"positive": ["2", 0], "negative": ["3", 0]}},
    "2": {
        "class_type": "ControlNetApplyAdvanced",
        "inputs": {"positive": ["4", 0], "negative": ["3", 0], "image": ["8", 0]},
    },
    "3": {"class_type": "CLIPTextEncodeSDXL", "inputs": {"text_g": "bad", "text_l": "bad"}},
    "4": {"class_type": "CLIPTextEncodeSDXL", "inputs": {"text_g": "a fox in the snow", "text_l": "snow"}},
}
SAVED: dict[str, Any] = {
    "nodes": [
        {
            "id": 1,
            "type": "KSampler",
            "inputs": [{"name": "positive", "link": 7}, {"name": "negative", "link": 8}],
            "widgets_values": [5, "randomize", 20],
        },
        {
            "id": 2,
            "type": "CLIPTextEncode",
            "inputs": [{"name": "clip", "link": 9}],
            "widgets_values": ["a fox in the snow"],
        },
        {
            "id": 3,
            "type": "CLIPTextEncode",
            "inputs": [{"name": "clip", "link": 9}],
            "widgets_values": ["a much longer list of what is not wanted"],
        },
    ],
    "links": [[7, 2, 0, 1, 1, "CONDITIONING"], [8, 3, 0, 1, 2, "CONDITIONING"]],
}
A1111 = "a fox in the snow <lora:ink:0.8>\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, Seed: 5"
SWARM = json.dumps({"sui_image_params": {"prompt": "a fox in the snow", "negativeprompt": "blurry", "model": "x"}})
FOOOCUS = json.dumps({"prompt": "a fox in the snow", "full_prompt": ["a fox in the snow", "cinematic"], "steps": 30})
CIVITAI = json.dumps(
    {**API, "6": {"class_type": "smZ CLIPTextEncode", "inputs": {"text": "a fox in the snow"}}, "extra": {}}
)
NOVEL_4 = json.dumps(
    {
        "prompt": "two friends",
        "v4_prompt": {
            "caption": {
                "base_caption": "two friends",
                "char_captions": [{"char_caption": "girl, red hair"}, {"char_caption": "boy"}, "?"],
            }
        },
    }
)
NOVEL = json.dumps({"prompt": "a fox in the snow", "steps": 28, "uc": "lowres"})
INVOKE = json.dumps({"generation_mode": "txt2img", "positive_prompt": "a fox in the snow", "negative_prompt": "blurry"})
OLD_INVOKE = json.dumps(
    {"model": "sd", "image": {"prompt": [{"prompt": "a fox in the snow", "weight": 1}], "steps": 30}}
)
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description>{}</rdf:Description></rdf:RDF></x:xmpmeta>'
DRAW_THINGS = XMP.format(
    '<exif:UserComment><rdf:Alt><rdf:li xml:lang="x-default">{&quot;c&quot;:&quot;a fox in the snow&quot;,'
    "&quot;steps&quot;:8}</rdf:li></rdf:Alt></exif:UserComment>"
)
LIGHTROOM = XMP.format(
    '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">a fox in the snow</rdf:li></rdf:Alt></dc:description>'
)


def png(**texts: str) -> bytes:
    info, file = PngImagePlugin.PngInfo(), BytesIO()
    for key, text in texts.items():
        info.add_itxt(key.replace("__", ":").replace("_dot_", "."), text) if "xmp" in key else info.add_text(key, text)
    Image.new("RGB", (8, 8)).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def photo(kind: str, tags: dict[int, Any], user: bytes = b"", **options: Any) -> bytes:
    exif, file = Image.Exif(), BytesIO()
    for tag, text in tags.items():
        exif[tag] = text
    if user:
        exif.get_ifd(0x8769)[0x9286] = user
    Image.new("RGB", (8, 8)).save(file, kind, exif=exif, **options)
    return file.getvalue()


def behind_pixels(body: bytes) -> bytes:
    """A PNG with a text where ImageMagick and others put it: after the pixels."""
    text = struct.pack(">I", len(body)) + b"tEXt" + body + struct.pack(">I", zlib.crc32(b"tEXt" + body))
    end = (plain := png()).rindex(b"IEND") - 4
    return plain[:end] + text + plain[end:]


def told_by(kind: str, **inputs: object) -> dict[str, Any]:
    """The graph whose words come from a node of this kind."""
    encode = {"class_type": "CLIPTextEncode", "inputs": {"text": ["10", 0], "clip": ["4", 1]}}
    return {**API, "6": encode, "10": {"class_type": kind, "inputs": inputs}}


FILES: dict[str, tuple[bytes, str]] = {
    "ComfyUI": (png(prompt=json.dumps(API), workflow=json.dumps(SAVED)), FOX),
    "ComfyUI with strings": (png(prompt=json.dumps(LINKED)), "a fox in the snow"),
    "ComfyUI with a guider": (png(prompt=json.dumps(CUSTOM)), "a fox in the snow"),
    "ComfyUI with a control net": (png(prompt=json.dumps(REFINED)), "a fox in the snow"),
    "ComfyUI, saved by its page": (png(workflow=json.dumps(SAVED)), "a fox in the snow"),
    "ComfyUI as WebP": (
        photo("WEBP", {0x110: f"prompt:{json.dumps(API)}", 0x10F: f"workflow:{json.dumps(SAVED)}"}),
        FOX,
    ),
    "ComfyUI as JPEG": (photo("JPEG", {0x10F: f"Prompt:{json.dumps(API)}"}), FOX),
    "A1111": (png(parameters=A1111), "a fox in the snow"),
    "A1111 as JPEG": (photo("JPEG", {}, b"UNICODE\0" + A1111.encode("utf-16-be")), "a fox in the snow"),
    "A1111 as WebP, the other way round": (
        photo("WEBP", {}, b"UNICODE\0" + A1111.encode("utf-16-le")),
        "a fox in the snow",
    ),
    "A1111 without a negative prompt": (png(parameters="a fox in the snow\nSteps: 20, Seed: 5"), "a fox in the snow"),
    "SwarmUI": (png(parameters=SWARM), "a fox in the snow"),
    "Fooocus": (png(parameters=FOOOCUS, fooocus_scheme="fooocus"), "a fox in the snow"),
    "NovelAI": (
        png(Title="AI generated image", Description="a fox in the snow", Software="NovelAI", Comment=NOVEL),
        "a fox in the snow",
    ),
    "InvokeAI": (png(invokeai_metadata=INVOKE), "a fox in the snow"),
    "InvokeAI 2": (png(**{"sd-metadata": OLD_INVOKE}), "a fox in the snow"),
    "InvokeAI 1": (png(Dream='"a fox in the snow" -s 50 -W 512 -H 512 -C 7.5'), "a fox in the snow"),
    "Draw Things": (png(XML__com_dot_adobe_dot_xmp=DRAW_THINGS), "a fox in the snow"),
    "Easy Diffusion": (png(prompt="a fox in the snow", seed="5", sampler_name="euler"), "a fox in the snow"),
    "Midjourney": (
        png(Description="a fox in the snow --ar 3:2 --v 6 Job ID: 01234567-89ab-cdef-0123-456789abcdef"),
        "a fox in the snow",
    ),
    "Lightroom": (photo("JPEG", {}, xmp=LIGHTROOM.encode()), "a fox in the snow"),
    "Windows": (photo("JPEG", {0x9C9C: "a fox in the snow\0".encode("utf-16-le")}), "a fox in the snow"),
    "a comment": (photo("JPEG", {}, comment=b"a fox in the snow"), "a fox in the snow"),
    "A1111 behind the pixels": (behind_pixels(b"parameters\0" + A1111.encode()), "a fox in the snow"),
    "A1111 in a description": (photo("JPEG", {0x10E: A1111}), "a fox in the snow"),
    "A1111 in a comment": (photo("JPEG", {}, comment=A1111.encode()), "a fox in the snow"),
    "A1111 as Windows keeps it": (photo("JPEG", {0x9C9C: f"{A1111}\0".encode("utf-16-le")}), "a fox in the snow"),
    "Civitai": (photo("JPEG", {}, b"UNICODE\0" + CIVITAI.encode("utf-16-be")), "a fox in the snow"),
    "ComfyUI with wildcards": (
        png(prompt=json.dumps(told_by("ImpactWildcardProcessor", wildcard_text="{a|b}", populated_text=FOX))),
        FOX,
    ),
    "ComfyUI with a styler": (
        png(prompt=json.dumps(told_by("SDXLPromptStyler", text_positive=FOX, text_negative="blurry"))),
        FOX,
    ),
    "ComfyUI with a language model": (
        png(prompt=json.dumps(told_by("ShowText|pysssss", text=["99", 0], text_0=FOX) | {"99": {"class_type": "LLM"}})),
        FOX,
    ),
    "Fooocus as JPEG": (photo("JPEG", {0x9286: FOOOCUS, 0x131: "Fooocus v2.5.5"}), "a fox in the snow"),
    "Fooocus as WebP": (photo("WEBP", {0x9286: A1111, 0x131: "Fooocus v2.5.5"}), "a fox in the snow"),
    "InvokeAI 1, with what it was to avoid": (png(Dream='"a fox in the snow [blurry]" -s 50'), "a fox in the snow"),
    "NovelAI as WebP": (
        photo("WEBP", {}, b"ASCII\0\0\0" + json.dumps({"Software": "NovelAI", "Comment": NOVEL}).encode()),
        "a fox in the snow",
    ),
    "NovelAI with people": (png(Description="two friends", Comment=NOVEL_4), "two friends, girl, red hair, boy"),
    "SwarmUI with a segment": (
        png(parameters=SWARM.replace("snow", "snow <embed:ink> <segment:face>a smile")),
        "a fox in the snow",
    ),
}


def stored(add: AddPicture, data: bytes, name: str = "IMG_0042.png") -> DatasetImage:
    image: DatasetImage = add(source_name=name)
    image.file.save("with-notes", ContentFile(data))
    return image


def prompt_in(**texts: str) -> str:
    return reading.of_texts(Texts(texts)).prompt


def said(image: DatasetImage) -> str:
    [proposal] = FromNotes().propose([image], "", lambda: None)
    return proposal.text


@pytest.mark.parametrize("program", FILES)
def test_the_prompt_of_every_program_is_proposed(add: AddPicture, program: str) -> None:
    data, words = FILES[program]
    assert said(stored(add, data)) == words


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (png(), "nothing"),
        (png(Software="GIMP 3.0", **{"date:create": "2026-01-01"}), "nothing"),
        (png(prompt='{"1": {}}', workflow='{"nodes": []}'), "unread"),
        (photo("JPEG", {270: "OLYMPUS DIGITAL CAMERA         "}), "unread"),
        (png(Comment="Created with GIMP"), "unread"),
        (png(prompt="[" * 100_000), "unread"),
        (png(prompt="{" + '"a":{' * 50_000), "unread"),
        (b"no picture at all", "nothing"),
    ],
)
def test_where_nothing_is_found_the_reason_is_told(add: AddPicture, data: bytes, reason: str) -> None:
    [proposal] = FromNotes().propose([stored(add, data)], "", lambda: None)
    assert (proposal.text, proposal.silent) == ("", reason)


@pytest.mark.parametrize(
    ("mode", "words"),
    [(0, "a much longer list of what is not wanted"), (2, "a fox in the snow"), (4, "a fox in the snow")],
    ids=["at work", "muted", "bypassed"],
)
def test_a_node_that_was_switched_off_on_comfyuis_page_says_nothing(mode: int, words: str) -> None:
    sampler = {"id": 4, "type": "KSampler", "mode": mode, "inputs": [{"name": "positive", "link": 8}]}
    saved = json.dumps({**SAVED, "nodes": [sampler, *SAVED["nodes"]]})
    assert prompt_in(workflow=saved) == words


@pytest.mark.parametrize("unwanted", ["Negative prompt: blurry\nSteps: 20, Seed: 5", "Steps: 20, Seed: 5"])
@pytest.mark.parametrize("key", ["parameters", "Description"])
def test_what_was_not_wanted_is_never_a_caption(add: AddPicture, key: str, unwanted: str) -> None:
    assert said(stored(add, png(**{key: unwanted}))) == ""


def test_graphs_that_run_in_circles_or_lead_nowhere_say_nothing() -> None:
    circle: dict[str, Any] = {
        "1": {"class_type": "KSampler", "inputs": {"positive": ["2", 0]}},
        "2": {"class_type": "Combine", "inputs": {"conditioning_1": ["3", 0], "conditioning_2": ["2", 0]}},
        "3": {"class_type": "Combine", "inputs": {"conditioning_1": ["2", 0], "conditioning_2": ["9", 0]}},
    }
    assert prompt_in(prompt=json.dumps(circle)) == ""
    wide = {
        str(at): {"class_type": "Join", "inputs": {"string_a": [str(at + 1), 0], "string_b": [str(at + 1), 0]}}
        for at in range(2, 60)
    }
    wide["1"] = {"class_type": "KSampler", "inputs": {"positive": ["2", 0]}}
    assert prompt_in(prompt=json.dumps(wide)) == ""
    for odd in (
        [],
        [1, 2],
        {"1": 3},
        {"1": {"class_type": 5, "inputs": []}},
        {"1": {"class_type": "KSampler", "inputs": {"positive": {}}}},
    ):
        assert prompt_in(prompt=json.dumps(odd)) == ""


def test_trigger_words_in_front_of_a_prompt_are_left_to_the_template(add: AddPicture, dataset: Dataset) -> None:
    words = json.dumps(
        {**API, "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "gouachefield painting, a mill"}}}
    )
    assert said(stored(add, png(prompt=words))) == "a mill"


def test_the_report_counts_what_was_found_and_why_nothing_was(
    dataset: Dataset, add: AddPicture, ada: User, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    monkeypatch.setattr(DatasetJob, "wake", staticmethod(lambda seconds=0.0: None))
    images = [stored(add, png(parameters=A1111)), stored(add, png()), stored(add, png(Comment="Created with GIMP"))]
    same = stored(add, png(parameters=A1111))
    DatasetImage.objects.filter(pk=same.pk).update(caption="a fox in the snow")
    job = captioners.order_proposals(dataset, ada, captioners.known()["notes"], [image.pk for image in [*images, same]])
    dataset_jobs.life.work()
    job = DatasetJob.objects.get(pk=job.pk)
    assert job.report["proposed"] == 1
    assert job.report["silent"] == {"nothing": 1, "unread": 1, "same": 1}
    client.force_login(ada)
    page = client.get(dataset.get_absolute_url()).text
    for words in (
        "1 caption proposed",
        "1 has that caption already",
        "1 carries neither a prompt nor a description, and its name says nothing",
        "1 carries notes in which no prompt was found",
    ):
        assert words in page
