"""One file has one name, whichever slash an engine lists it with."""

from __future__ import annotations

import pytest

from stylestudio.comfy.errors import MissingFile
from stylestudio.comfy.file_names import as_listed, canonical, distinct, folder_of, is_listed
from stylestudio.comfy.graphs.graph import missing_files

SPELLINGS = ["SDXL/old/x.safetensors", "SDXL\\old\\x.safetensors", "SDXL\\old/x.safetensors"]


@pytest.mark.parametrize("wanted", SPELLINGS)
@pytest.mark.parametrize("listed", SPELLINGS)
def test_every_spelling_of_a_file_is_that_file(wanted: str, listed: str) -> None:
    assert is_listed(wanted, [listed]) and is_listed(wanted, (f"y{listed}", listed))
    assert as_listed(wanted, [listed]) == listed
    assert canonical(wanted) == "SDXL/old/x.safetensors" and folder_of(wanted) == "SDXL/old"
    assert MissingFile("checkpoints", wanted).name == "SDXL/old/x.safetensors"


def test_files_of_one_name_in_two_folders_are_two() -> None:
    assert not is_listed(
        "a/x.safetensors", ["b/x.safetensors", "b\\x.safetensors", "x.safetensors", "aa\\x.safetensors"]
    )
    assert as_listed("a/x.safetensors", ["b\\x.safetensors"]) is None
    assert distinct(["b\\x", "a/x", "b/x", "a\\x", "x"]) == ["b/x", "a/x", "x"]
    assert folder_of("x.safetensors") == ""


def test_a_file_that_a_graph_names_twice_is_missing_once() -> None:
    graph = {
        str(number): {"class_type": "LoraLoader", "inputs": {"lora_name": name}}
        for number, name in enumerate(SPELLINGS)
    }
    assert missing_files(graph, {"loras": ["other\\x.safetensors"]}) == (("loras", "SDXL/old/x.safetensors"),)
    assert missing_files(graph, {"loras": ["SDXL\\old\\x.safetensors"]}) == ()
