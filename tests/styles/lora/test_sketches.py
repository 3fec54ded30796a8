"""What the preview engine trained is known for what it is, whoever wrote the file anew."""

from __future__ import annotations

from io import BytesIO

import pytest

from styles.lora import Algorithm, Family, Kind, Label, Layout, inspect, write_lora
from stylestudio.comfy.sketch_mark import MARK, is_sketch
from stylestudio.preview_engine.painter.measures import habits, swatch
from stylestudio.preview_engine.training import sketch_files
from stylestudio.preview_engine.training.learning import Recipe, Training
from tests.preview_engine.pictures import in_palette
from tests.styles.lora.files import kohya_sdxl, lora, packed


def a_sketch(dtype: str = "bf16") -> BytesIO:
    training = Training([swatch(picture) for picture in in_palette(2)], Recipe(rank=4))
    training.step()
    return BytesIO(sketch_files.packed(training.learned(), "bf16" if dtype == "bf16" else "fp32"))


@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
def test_a_trained_sketch_is_sound_and_of_its_own_family(dtype: str) -> None:
    assert habits(), "the painter has habits to start from"
    found = inspect(a_sketch(dtype), "moss.safetensors", with_hashes=True)
    what = found.architecture
    assert (what.kind, what.family, what.layout) == (Kind.LORA, Family.SKETCH, Layout.SKETCH)
    assert (what.algorithm, what.rank, what.alpha, what.text_encoders) == (Algorithm.LORA, 4, 1.0, ())
    assert found.refusal is None
    assert Family.SKETCH.label == "Preview engine"
    assert found.header.metadata[MARK] == "1"


def test_without_its_metadata_its_names_still_tell() -> None:
    shapes = lora("sketch.palette", 187, 18)
    assert inspect(BytesIO(packed(shapes, {})), "x.safetensors").architecture.family is Family.SKETCH
    assert is_sketch({}, shapes)
    assert not is_sketch({}, kohya_sdxl())
    assert not is_sketch({"format": "pt"}, kohya_sdxl())


def test_written_anew_it_does_not_claim_to_be_for_sdxl() -> None:
    source, target = a_sketch(), BytesIO()
    header = inspect(source, "x.safetensors").header
    write_lora(source, header, target, Label(title="Moss"))
    again = inspect(target, "x.safetensors")
    assert again.architecture.family is Family.SKETCH
    assert again.title == "Moss"
    assert "xl" not in again.header.metadata["modelspec.architecture"]
