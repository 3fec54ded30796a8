"""What metadata and files beside a LoRA say is found, bounded, and harmless."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.utils import translation

from styles.lora import Facts, Note, Thumbnail, find_sidecars, labelled, parse_note, read_facts, read_notes
from styles.lora.metadata.facts import MOST_THUMBNAIL

KOHYA = {
    "ss_output_name": "ink_v3",
    "ss_session_id": "2873498231",
    "ss_epoch": "4",
    "ss_steps": "1500",
    "ss_sd_model_name": "/home/ada/models/sd_xl_base_1.0.safetensors",
    "ss_sd_model_hash": "be9edd61",
    "ss_new_sd_model_hash": "31e35c80fc4829d14f90153f4c74cd59c90b779f6afe05a74cd6120b893f7e5b",
    "ss_base_model_version": "sdxl_base_v1-0",
    "ss_network_module": "networks.lora",
    "ss_network_dim": "16",
    "ss_network_dropout": "None",
    "ss_learning_rate": "0.0001",
    "ss_optimizer": "bitsandbytes.optim.adamw.AdamW8bit",
    "ss_training_started_at": "1700000000.25",
    "ss_training_finished_at": "1700003600.0",
    "ss_resolution": "(1024, 1024)",
    "ss_tag_frequency": json.dumps(
        {"10_inkfox style": {"ink drawing": 20, "fox": 12, "tree": 3}, "1_img": {"ink drawing": 10, "house": 6}}
    ),
    "ss_dataset_dirs": json.dumps(
        {"10_inkfox style": {"n_repeats": 10, "img_count": 20}, "1_img": {"n_repeats": 1, "img_count": 12}}
    ),
}
PICTURE = b"\x89PNG\r\n\x1a\n and so on"


def test_metadata_of_sd_scripts_is_understood() -> None:
    found = read_facts(KOHYA)
    assert (found.title, found.output_name, found.software) == ("ink_v3", "ink_v3", "sd-scripts")
    assert (found.session, found.epoch, found.steps) == ("2873498231", 4, 1500)
    assert (found.base_name, found.base_version) == ("sd_xl_base_1.0.safetensors", "sdxl_base_v1-0")
    assert found.base_hash == KOHYA["ss_new_sd_model_hash"]
    assert found.resolution == (1024, 1024)
    assert found.trained_from == datetime(2023, 11, 14, 22, 13, 20, 250_000, UTC)
    assert found.trained_until == datetime(2023, 11, 14, 23, 13, 20, tzinfo=UTC)


def test_facts_about_the_training_come_in_order_with_labels_and_without_none() -> None:
    training = read_facts(KOHYA).training
    assert training[:2] == (("ss_network_module", "networks.lora"), ("ss_network_dim", "16"))
    assert "ss_network_dropout" not in dict(training)
    assert ("Learning rate", "0.0001") in labelled(training)
    with translation.override("zh-hans"):
        assert [value for _label, value in labelled(training)] == [value for _key, value in training]


def test_tags_in_most_pictures_are_proposed_and_so_is_the_folder() -> None:
    # Of 32 pictures 30 are ink drawings, 12 have foxes; no caption has the name of the folder.
    found = read_facts(KOHYA)
    assert (found.triggers, found.proposed) == ((), ("inkfox style", "ink drawing"))


@pytest.mark.parametrize(("count", "expected"), [(13, ("fox",)), (12, ())])
def test_a_tag_is_proposed_from_65_percent_on(count: int, expected: tuple[str, ...]) -> None:
    metadata = {
        "ss_tag_frequency": json.dumps({"1_img": {"fox": count}}),
        "ss_dataset_dirs": json.dumps({"1_img": {"img_count": 20}}),
    }
    assert (read_facts(metadata).triggers, read_facts(metadata).proposed) == ((), expected)


def test_without_a_count_of_pictures_the_most_frequent_tag_stands_for_it() -> None:
    metadata = {"ss_tag_frequency": json.dumps({"img": {"ink": 20, "fox": 14, "tree": 12}})}
    assert read_facts(metadata).proposed == ("ink", "fox")


def test_what_the_makers_wrote_comes_before_what_was_counted_and_nothing_twice() -> None:
    metadata = {
        **KOHYA,
        "modelspec.trigger_phrase": "inkfox, by ada",
        "trainedWords": '["Ink Drawing, bold lines", "INKFOX"]',
    }
    found = read_facts(metadata, Note(triggers=("washed",)))
    assert found.triggers == ("inkfox", "by ada", "Ink Drawing", "bold lines", "washed")
    assert found.proposed == ("inkfox style",)


def test_modelspec_is_understood() -> None:
    found = read_facts(
        {
            **KOHYA,
            "modelspec.title": "Ink",
            "modelspec.author": "Ada",
            "modelspec.description": "Line one.\nLine two.",
            "modelspec.license": "CC-BY-4.0",
            "modelspec.usage_hint": "Say what it shows",
            "modelspec.tags": "ink, drawing",
            "modelspec.date": "2025-03-01",
            "modelspec.resolution": "832x1216",
            "modelspec.lora_default_weight": "0.8",
            "modelspec.thumbnail": "data:image/png;base64," + base64.b64encode(PICTURE).decode(),
        }
    )
    assert (found.title, found.author, found.licence) == ("Ink", "Ada", "CC-BY-4.0")
    assert (found.description, found.usage_hint) == ("Line one.\nLine two.", "Say what it shows")
    assert (found.tags, found.weight, found.resolution) == (("ink", "drawing"), 0.8, (832, 1216))
    assert found.made_at == datetime(2025, 3, 1, tzinfo=UTC)
    assert found.thumbnail == Thumbnail("png", PICTURE)


def test_metadata_of_ai_toolkit_is_understood() -> None:
    found = read_facts(
        {
            "software": '{"name": "ai-toolkit", "repo": "https://github.com/ostris/ai-toolkit", "version": "0.7"}',
            "training_info": '{"step": 2000, "epoch": 14}',
            "ss_base_model_version": "sdxl_1.0",
            "ss_output_name": "ink",
            "ss_tag_frequency": '{"1_inkfox": {"inkfox": 1}}',
        }
    )
    assert (found.software, found.steps, found.epoch, found.triggers) == ("ai-toolkit", 2000, 14, ("inkfox",))


def test_a_file_without_metadata_has_no_facts() -> None:
    assert read_facts({}) == Facts()


@pytest.mark.parametrize(
    "metadata",
    [
        {"modelspec.title": "None"},
        {"modelspec.lora_default_weight": "much"},
        {"modelspec.lora_default_weight": "nan"},
        {"modelspec.lora_default_weight": "0"},
        {"modelspec.date": "yesterday"},
        {"modelspec.date": "9" * 300},
        {"modelspec.resolution": "large"},
        {"modelspec.resolution": "1x2x3"},
        {"modelspec.resolution": "0x0"},
        {"modelspec.thumbnail": "https://example.com/picture.png"},
        {"modelspec.thumbnail": "data:image/svg+xml;base64,AAAA"},
        {"modelspec.thumbnail": "data:image/png;base64,not base64"},
        {"modelspec.thumbnail": "data:image/png;base64," + "A" * (2 * MOST_THUMBNAIL)},
        {"ss_training_started_at": "1e300"},
        {"ss_training_started_at": "-1e12"},
        {"ss_epoch": "-1"},
        {"ss_steps": "1.5"},
        {"ss_new_sd_model_hash": "<script>"},
        {"ss_tag_frequency": "{"},
        {"ss_tag_frequency": "[" * 100_000},
        {"ss_tag_frequency": '["fox"]'},
        {"ss_tag_frequency": '{"img": ["fox"]}'},
        {"ss_tag_frequency": '{"img": {"fox": "many"}}'},
        {"ss_tag_frequency": '{"img": {"fox": -1}}'},
        {"trainedWords": "[1, {}, null]"},
        {"training_info": "[]"},
        {"training_info": '{"step": "x", "epoch": {}}'},
        {"software": "7"},
    ],
)
def test_what_is_malformed_is_passed_over(metadata: dict[str, str]) -> None:
    assert replace(read_facts(metadata), training=()) == Facts()


def test_long_texts_are_clipped_and_control_characters_are_gone() -> None:
    found = read_facts(
        {
            "modelspec.title": "In\x00k\x1b[31m" + "x" * 10_000,
            "modelspec.description": "y" * 100_000,
            "modelspec.trigger_phrase": "z" * 1_000 + ", " + ", ".join(map(str, range(1000))),
            "ss_tag_frequency": '{"1_\\ud800": {"\\ud800\\u0000fox": 3}}',
        }
    )
    assert found.title.startswith("Ink[31mxxx")
    assert (len(found.title), len(found.description)) == (200, 4000)
    assert len(found.triggers) == 20
    assert "z" not in "".join(found.triggers), "half of a phrase calls nothing"
    assert found.left_out[0] == "z" * 200
    assert read_facts({"ss_tag_frequency": '{"1_\\ud800": {"\\ud800\\u0000fox": 3}}'}).proposed == ("fox",)


def test_files_beside_it_are_found_by_its_name(tmp_path: Path) -> None:
    lora = tmp_path / "ink.v3.safetensors"
    for name in ("ink.v3.json", "ink.v3.civitai.info", "ink.v3.webp", "ink.v3.preview.png", "ink.json", "other.png"):
        (tmp_path / name).touch()
    (tmp_path / "ink.v3.metadata.json").symlink_to("/etc/passwd")
    found = find_sidecars(lora)
    assert [note.name for note in found.notes] == ["ink.v3.json", "ink.v3.civitai.info"]
    assert found.picture == tmp_path / "ink.v3.preview.png"
    assert find_sidecars(tmp_path / "alone.safetensors") == find_sidecars(tmp_path / "none" / "x.safetensors")


def test_notes_fill_what_the_metadata_does_not_say(tmp_path: Path) -> None:
    (tmp_path / "ink.json").write_text(
        json.dumps({"activation text": "inkfox, ink drawing", "preferred weight": 0.7, "notes": "Short prompts"})
    )
    (tmp_path / "ink.civitai.info").write_text(
        json.dumps({"model": {"name": "Ink &amp; wash"}, "trainedWords": ["inkwash"], "description": "<p>One</p>Two"})
    )
    note = read_notes(find_sidecars(tmp_path / "ink.safetensors").notes)
    assert note.triggers == ("inkfox", "ink drawing", "inkwash")
    found = read_facts({"modelspec.title": "Ink"}, note)
    assert (found.title, found.weight, found.usage_hint) == ("Ink", 0.7, "Short prompts")
    assert found.description == "One\nTwo"


BROKEN_NOTES = [b"", b"{", b"[]", b"null", b"\xff\xfe\xff", b"\xff", b"[" * 10**6, b" " * 10**6]


@pytest.mark.parametrize("data", [*BROKEN_NOTES, b'{"model": 1, "activation text": 3, "notes": []}'])
def test_a_note_that_is_broken_says_nothing(data: bytes) -> None:
    assert parse_note(data) == Note()


def test_a_weight_of_zero_in_a_note_means_that_none_was_set() -> None:
    assert parse_note(b'{"preferred weight": 0}').weight is None


def test_a_note_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    assert read_notes((tmp_path / "gone.json",)) == Note()
