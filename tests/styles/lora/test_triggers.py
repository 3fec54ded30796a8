"""Trigger words are told or proposed, never guessed; texts of any length are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO

import pytest

from styles.lora import Label, Note, inspect, parse_note, read_facts, read_header, write_lora
from styles.lora.file.header import LONG_TEXT
from styles.lora.metadata.tag_counts import read_counts
from tests.styles.lora.files import kohya_sdxl, packed


def kohya(folders: dict[str, dict[str, int]], counts: dict[str, int] | None = None, **more: object) -> dict[str, str]:
    """Metadata as sd-scripts writes it."""
    dirs = {name: {"n_repeats": 5, "img_count": count} for name, count in (counts or {}).items()}
    told = {"ss_tag_frequency": json.dumps(folders)} | ({"ss_dataset_dirs": json.dumps(dirs)} if dirs else {})
    return told | {name: json.dumps(value) for name, value in more.items()}


def test_a_folder_whose_captions_have_its_name_tells_the_trigger_and_frequent_tags_are_proposed() -> None:
    tags = {"Qwz_paint": 0, "qwz paint": 29, "1boy": 30, "grey hair": 22, "outdoors": 9}
    found = read_facts(kohya({"4_qwz_paint": tags}, {"4_qwz_paint": 30}))
    assert (found.triggers, found.proposed) == (("qwz paint",), ("1boy", "grey hair"))


def test_pictures_for_regularisation_say_nothing_whatever_tells_that_they_are() -> None:
    tags = {"8_zyx man": {"zyx man": 12, "hat": 3}, "1_man": {"man": 300}}
    for metadata in (
        kohya(tags, {"8_zyx man": 12}),
        kohya(tags, {}, ss_reg_dataset_dirs={"1_man": {"img_count": 300}}),
        kohya(tags, {"8_zyx man": 12, "1_man": 300}, ss_reg_dataset_dirs={"1_man": {"img_count": 300}}),
        kohya(tags, {}, ss_datasets=[{"subsets": [
            {"image_dir": "8_zyx man", "img_count": 12, "class_tokens": "zyx man", "is_reg": False},
            {"image_dir": "1_man", "img_count": 300, "class_tokens": "man", "is_reg": True},
        ]}]),
    ):  # fmt: skip
        found = read_facts(metadata)
        assert (found.triggers, found.proposed) == (("zyx man",), ())


def test_the_class_of_a_training_is_proposed_and_not_told() -> None:
    """Nothing tells that the second folder is for regularisation; the third says nothing but a class."""
    beside = read_facts(kohya({"8_zyx lantern": {"zyx lantern": 12}, "1_lantern": {"lantern": 300}}))
    assert (beside.triggers, beside.proposed) == (("zyx lantern",), ("lantern",))
    alone = read_facts(kohya({"9_1girl": {"1girl": 30, "solo": 28}}, {"9_1girl": 30}))
    assert (alone.triggers, alone.proposed) == ((), ("1girl", "solo"))


def test_that_there_are_no_trigger_words_is_no_trigger_word() -> None:
    noted = parse_note('{"trainedWords": ["N/A", "no trigger word.", "无需触发词", "mist"]}'.encode())
    assert read_facts({"modelspec.trigger_phrase": "-"}, noted).triggers == ("mist",)


def test_no_phrase_is_cut_and_what_is_left_out_is_told() -> None:
    outfit, long = "mika in outfit number {}", "a sentence of a maker who wrote all there was to say " * 3
    noted = parse_note(json.dumps({"trainedWords": [long, *map(outfit.format, range(30))]}).encode())
    found = read_facts({}, noted)
    assert found.triggers == tuple(map(outfit.format, range(20)))
    assert found.left_out == (long.strip(), *map(outfit.format, range(20, 30)))


def test_only_the_first_hundred_phrases_of_one_text_count() -> None:
    noted = [",".join(["mist"] * 99 + ["harbour", "lantern"])]
    metadata = {"modelspec.trigger_phrase": noted[0]}
    assert read_facts(metadata).triggers == ("mist", "harbour")


def test_folders_without_numbers_have_their_words_in_the_settings_of_the_training() -> None:
    subsets = [
        {"image_dir": "holiday", "img_count": 9, "class_tokens": "zyx boat", "is_reg": False},
        {"image_dir": "others", "img_count": 90, "class_tokens": "boat", "is_reg": True},
    ]
    metadata = kohya(
        {"holiday": {"zyx boat": 9}, "others": {"boat": 90}}, {"holiday": 9}, ss_datasets=[{"subsets": subsets}]
    )
    assert read_facts(metadata).triggers == ("zyx boat",)


def sentences(count: int) -> dict[str, int]:
    return {f"a watercolour of house number {number} by the sea": 1 for number in range(count)}


def test_whole_captions_are_never_proposed_not_even_after_an_export() -> None:
    metadata = kohya({"3_wtrhs": sentences(30)}, {"3_wtrhs": 30})
    assert read_facts(metadata).proposed == ("wtrhs",)
    data = packed(kohya_sdxl(), metadata)
    out = BytesIO()
    write_lora(BytesIO(data), read_header(BytesIO(data)), out, Label("X", triggers=("wtrhs",)), without_folders=True)
    again = inspect(out, "x.safetensors").facts
    assert (again.triggers, again.proposed) == (("wtrhs",), ())
    counts = {"ss_tag_frequency": json.dumps({"set": dict.fromkeys(("one long caption", "another"), 1)})}
    assert read_facts(counts).proposed == (), "what was seen once is not common"
    often = "a person who stands in front of a wall that is painted white"
    assert read_facts(kohya({"set": {often: 20}}, {"set": 20})).proposed == ()


def test_what_a_prompt_holds_beside_words_is_no_trigger() -> None:
    note = Note(triggers=tuple(parse_note(b'{"trainedWords": ["<lora:x:0.7>, bold ink", "<hypernet:y:1>"]}').triggers))
    found = read_facts({"modelspec.trigger_phrase": "wash <lora:z:1>"}, note)
    assert found.triggers == ("wash", "bold ink")


def test_a_comma_inside_a_number_or_brackets_parts_no_trigger() -> None:
    note = parse_note('{"trainedWords": ["1,000 lanterns, mika (harbour, night)，雾"]}'.encode())
    assert note.triggers == ("1,000 lanterns", "mika (harbour, night)", "雾")


def large(tag: Callable[[int], str], least: int, **more: dict[str, int]) -> dict[str, str]:
    """Counts of as many tags as make a text of that length."""
    folders: dict[str, dict[str, int]] = {}
    for number in range(least // len(json.dumps({tag(1_000): 1}))):
        folders.setdefault(f"{number // 2000}_part", {})[tag(number)] = 1 + number % 5
    return kohya(folders | more, None)


@pytest.mark.parametrize(
    "tag", [lambda n: f"tag {n}", lambda n: f"雪 {n} 夜", lambda n: f'a "quoted" \\ {n}', lambda n: f"🖌 {n}"]
)
def test_the_trigger_is_found_among_counts_of_any_length(tag: Callable[[int], str]) -> None:
    for least in (20_000, 2 * LONG_TEXT):
        metadata = large(tag, least, **{"5_mossy": {"mossy": 400, "green": 380}})
        for escaped in (True, False):
            text = metadata["ss_tag_frequency"]
            text = text if escaped else json.dumps(json.loads(text), ensure_ascii=False)
            header = read_header(BytesIO(packed(kohya_sdxl(), {"ss_tag_frequency": text})))
            assert "mossy" in read_facts(header.metadata, None, header.long_texts).triggers


def test_a_long_text_says_the_same_as_a_short_one() -> None:
    folders = {"1_a": {f"tag {n}": n for n in range(1, 150)}, "2_b": {'é \\ " 墨 🖌': 7}}
    text = json.dumps(folders)
    header = read_header(BytesIO(packed(kohya_sdxl(), {"ss_tag_frequency": text + " " * LONG_TEXT})))
    assert read_counts(None, header.long_texts["ss_tag_frequency"]) == read_counts(text, None) == folders


@pytest.mark.parametrize(
    "text", ["[" * 400_000, '{"a":' * 100_000, '{"a": {"b": 1', '"' + "x" * 400_000, '{"1_a": {"b": "c"}}']
)
def test_long_texts_of_another_form_say_nothing(text: str) -> None:
    header = read_header(BytesIO(packed(kohya_sdxl(), {"ss_tag_frequency": text.ljust(LONG_TEXT + 10)})))
    assert read_facts(header.metadata, None, header.long_texts).triggers == ()


# Notes


def test_notes_of_lora_manager_are_read_in_full() -> None:
    note = parse_note(
        json.dumps(
            {
                "file_name": "x", "model_name": "Charcoal Rooms", "base_model": "NoobAI", "notes": "low strength",
                "tags": ["interior", "charcoal"], "modelDescription": "<p>Rooms in <i>charcoal</i></p>",
                "usage_tips": json.dumps({"strength": 0.45}),
                "civitai": {
                    "name": "v3", "trainedWords": ["chrcl room"], "model": {"name": "Rooms", "type": "LORA"},
                    "creator": {"username": "mika"},
                },
            }
        ).encode()
    )  # fmt: skip
    assert (note.title, note.triggers, note.weight, note.base) == ("Charcoal Rooms", ("chrcl room",), 0.45, "NoobAI")
    assert (note.description, note.usage_hint, note.author) == ("Rooms in charcoal", "low strength", "mika")
    assert note.tags == ("interior", "charcoal")


def test_notes_of_swarmui_stability_matrix_and_civitai_helpers_are_read_too() -> None:
    swarm = parse_note(
        b'{"modelspec.title": "Chalk", "modelspec.trigger_phrase": "chlk", "modelspec.author": "Ida", '
        b'"modelspec.license": "CC0", "modelspec.usage_hint": "dark grounds", "modelspec.lora_default_weight": "-3"}'
    )
    assert (swarm.title, swarm.triggers, swarm.author, swarm.licence) == ("Chalk", ("chlk",), "Ida", "CC0")
    assert (swarm.usage_hint, swarm.weight) == ("dark grounds", -3.0)
    assert parse_note(b'{"__metadata__": {"modelspec.title": "Chalk"}}').title == "Chalk"
    matrix = parse_note(b'{"ModelName": "Slate", "TrainedWords": ["slt"], "BaseModel": "Pony", "Tags": ["grey"]}')
    assert (matrix.title, matrix.triggers, matrix.base, matrix.tags) == ("Slate", ("slt",), "Pony", ("grey",))
    helper = parse_note(
        b'{"name": "v2.0", "trainedWords": ["x, y"], "baseModel": "Illustrious", "model": {"name": "Ash"}}'
    )
    assert (helper.title, helper.triggers, helper.base) == ("Ash", ("x", "y"), "Illustrious")


@pytest.mark.parametrize(
    ("metadata", "base", "model"),
    [
        ({}, "Pony", "Pony"), ({"ss_sd_model_name": "ponyDiffusionV6XL_v6.safetensors"}, "", "Pony"),
        ({"ss_sd_model_name": "/a/Illustrious-XL-v1.safetensors"}, "", "Illustrious"), ({}, "SDXL 1.0", ""),
        ({"ss_sd_model_name": "noobaiXLNAIXL_vPred10.safetensors"}, "", "NoobAI"),
        ({"ss_output_name": "pony ride"}, "", ""), ({"ss_sd_model_name": "realityPony_v2.safetensors"}, "", "Pony"),
        ({"ss_sd_model_name": "ponytail_studio_xl.safetensors"}, "", ""),
        ({"ss_sd_model_name": "harbour_ilV11.safetensors"}, "", "Illustrious"),
        ({"ss_sd_model_name": "oil_v2.safetensors"}, "", ""), ({"ss_sd_model_name": "quietNoob_v1"}, "", "NoobAI"),
    ],
)  # fmt: skip
def test_a_base_that_sdxl_became_is_kept(metadata: dict[str, str], base: str, model: str) -> None:
    assert read_facts(metadata, Note(base=base)).made_for == model


@pytest.mark.parametrize(
    ("weight", "kept", "odd"),
    [("-4", -4.0, None), ("6.5", 6.5, None), ("0", None, None), ("300", None, 300.0), ("x", None, None)],
)
def test_strengths_of_sliders_are_kept_and_impossible_ones_are_told(
    weight: str, kept: float | None, odd: float | None
) -> None:
    found = read_facts({"modelspec.lora_default_weight": weight})
    assert (found.weight, found.odd_weight) == (kept, odd)
