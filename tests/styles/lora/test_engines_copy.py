"""What ComfyUI reads of a file, and the copy that engines get where it would pass over a part."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from styles.lora import (
    Algorithm,
    Inspection,
    Note,
    behaviour_in_words,
    inspect,
    original_in_words,
    source_of,
    write_copy,
)
from styles.lora.engines.loader import key_map, read_by_engines
from styles.lora.file.header import read_header
from tests.styles.lora.files import Shapes, comfyui_sdxl, encoder, kohya_sdxl, loha, lokr, lora, packed, peft

BLOCK = "down_blocks.2.attentions.1.transformer_blocks.3"
FLAT = BLOCK.replace(".", "_")


def diffusers(module: str, out: int, wide: int, rank: int = 4) -> Shapes:
    """One layer as `save_lora_weights` of diffusers writes it."""
    return {f"{module}.lora.down.weight": [rank, wide], f"{module}.lora.up.weight": [out, rank]}


def settings(part: str = "unet", **values: object) -> dict[str, str]:
    """PEFT's settings as diffusers keeps them."""
    return {"lora_adapter_metadata": json.dumps({f"{part}.{name}": value for name, value in values.items()})}


def look(shapes: Shapes, metadata: dict[str, str] | None = None, note: Note | None = None) -> Inspection:
    return inspect(BytesIO(packed(shapes, metadata)), "ink.safetensors", note=note, with_hashes=True)


def copy_of(data: bytes) -> bytes:
    """What engines get of a file."""
    file, target = BytesIO(data), BytesIO()
    found = inspect(file, "ink.safetensors", with_hashes=True)
    assert found.plan is not None and found.hashes is not None
    digest, size = write_copy(file, found.header, found.plan, target, found.hashes.file)
    assert (digest, size) == (hashlib.sha256(target.getvalue()).hexdigest(), len(target.getvalue()))
    return target.getvalue()


def test_the_map_of_names_is_as_large_as_the_real_one() -> None:
    # The U-Net of SDXL has 1,680 tensors: 630 biases, and the weights of 794 layers and of 256 norms.
    assert len([name for name in key_map() if name.startswith("diffusion_model.")]) == 794 + 256
    # Eight names in each layer of the text encoders, and four outside.
    for clip, depth in (("clip_l", 12), ("clip_g", 32)):
        assert len([name for name in key_map() if name.startswith(f"text_encoders.{clip}.")]) == 8 * depth + 4


@pytest.mark.parametrize(
    ("shapes", "read"),
    [
        (kohya_sdxl(), 21),
        (comfyui_sdxl(), 13),
        (loha(f"lora_unet_{FLAT}_attn2_to_k", 1280, 2048), 5),
        (lokr(f"lycoris_{FLAT}_attn2_to_k", [16, 32], [80, 64]), 3),
        (peft("diffusion_model.input_blocks.8.1.transformer_blocks.3.attn2.to_v", 1280, 2048), 2),
        (encoder("text_encoder_2.", 1280, dotted=True), 3),
        (lora("lora_te1_text_model_encoder_layers_11_self_attn_k_proj", 768, 768), 3),
        (lora("lora_te1_text_model_encoder_layers_12_self_attn_k_proj", 768, 768), 0),
        (diffusers(f"unet.{BLOCK}.attn2.processor.to_k", 1280, 2048), 2),
        (diffusers(f"unet.{BLOCK}.ff.net.2", 1280, 5120), 2),
        (diffusers(f"unet.{BLOCK}.attn2.to_k", 1280, 2048), 0),
        (peft(f"base_model.model.{BLOCK}.attn2.to_k", 1280, 2048), 0),
        (lora("lora_unet_input_blocks_99_1_proj_in", 640, 640), 0),
        ({f"oft_unet_{FLAT}_attn2_to_k.oft_blocks": [4, 20, 20]}, 0),
        ({f"lycoris_{FLAT}_attn2_to_k.oft_blocks": [4, 20, 20]}, 1),
        ({f"lycoris_{FLAT}_attn2_to_k.oft_blocks": [2, 4, 20, 20]}, 0),
        ({f"lycoris_{FLAT}_attn2_to_k.oft_blocks": [2, 4, 20, 20], f"lycoris_{FLAT}_attn2_to_k.alpha": []}, 2),
        ({f"lycoris_{FLAT}_attn2_to_k.alpha": [], f"lycoris_{FLAT}_attn2_to_k.lambda_layer": [1, 8]}, 0),
    ],
)
def test_what_the_loader_reads_is_counted_by_its_own_rules(shapes: Shapes, read: int) -> None:
    assert len(read_by_engines(read_header(BytesIO(packed(shapes))).tensors).read) == read


@pytest.mark.parametrize(
    "ending", [".lora_up.weight", ".hada_w1_a", ".a1.weight", ".lokr_w2_a"], ids=["LoRA", "LoHa", "GLoRA", "LoKr"]
)
def test_half_a_layer_at_which_the_loader_would_fail_is_refused(ending: str) -> None:
    base = f"lora_unet_{FLAT}_attn2_to_k"
    found = look({**lora(f"lora_unet_{FLAT}_attn2_to_v", 1280, 2048), f"{base}{ending}": [1280, 4]})
    assert found.behaviour.halves == (base,)
    assert "only one half" in (found.refusal or "")


FORMS = [
    ("diffusers", diffusers(f"unet.{BLOCK}.attn2.to_k", 1280, 2048)),
    (
        "diffusers, to_out",
        {**diffusers(f"unet.{BLOCK}.attn1.to_out.0", 1280, 1280), **diffusers(f"unet.{BLOCK}.attn2.to_v", 1280, 2048)},
    ),
    ("PEFT in a pipeline", peft(f"unet.{BLOCK}.attn2.to_k", 1280, 2048)),
    ("PEFT adapter", peft(f"base_model.model.{BLOCK}.attn2.to_k", 1280, 2048)),
    ("PEFT adapter of a pipeline", peft(f"unet.base_model.model.{BLOCK}.attn2.to_k", 1280, 2048)),
    ("PEFT with its adapter's name", {
        f"{BLOCK}.attn2.to_k.lora_A.default.weight": [4, 2048], f"{BLOCK}.attn2.to_k.lora_B.default.weight": [1280, 4],
    }),
    ("OneTrainer, original names", lora("unet.input_blocks.8.1.transformer_blocks.3.attn2.to_k", 1280, 2048)),
    ("OneTrainer, diffusers' names", lora(f"unet.{BLOCK}.attn2.to_k", 1280, 2048)),
    ("PEFT, LoHa", {
        f"base_model.model.{name}": shape for name, shape in loha(f"{BLOCK}.attn2.to_k", 1280, 2048).items()
    }),
]  # fmt: skip


@pytest.mark.parametrize("shapes", [row[1] for row in FORMS], ids=[row[0] for row in FORMS])
def test_files_of_every_trainer_reach_engines_in_a_spelling_that_they_read(shapes: Shapes) -> None:
    data = packed(shapes)
    found = look(shapes)
    assert (found.refusal, found.behaviour.own, found.behaviour.read) == (None, 0, len(shapes))
    copy = copy_of(data)
    assert copy == copy_of(data), "the same file gives the same copy"
    header = read_header(BytesIO(copy))
    assert len(read_by_engines(header.tensors).read) == len(header.tensors)
    before, after = read_header(BytesIO(data)), load(copy)
    assert sorted(map(str, (one.dtype for one in before.tensors.values()))) == sorted(
        {"<f2": "F16"}.get(one.dtype.str, one.dtype.str) for one in after.values()
    )
    assert data[before.data_start :] in copy, "the weights are the same, byte for byte"


def test_a_copy_keeps_the_metadata_and_says_what_it_is_made_of() -> None:
    data = packed(
        diffusers(f"unet.{BLOCK}.attn2.to_k", 1280, 2048), {"format": "pt", "note": "墨", "long": "x" * 300_000}
    )
    copy = copy_of(data)
    header = read_header(BytesIO(copy))
    assert (header.metadata["format"], header.metadata["note"]) == ("pt", "墨")
    assert header.long_texts["long"].whole(10**6) == "x" * 300_000
    sha256 = hashlib.sha256(data).hexdigest()
    assert json.loads(header.metadata["stylestudio.engines_copy"]) == {"source_sha256": sha256, "converter": 2}
    assert source_of(header.metadata) == sha256 and source_of({}) == source_of({"stylestudio.engines_copy": "["}) == ""
    assert inspect(BytesIO(copy), "x.safetensors").plan is None, "there is nothing more to do"


ALPHAS = [
    ({"r": 8, "lora_alpha": 16}, 8, 16.0),
    ({"r": 16, "lora_alpha": 16, "use_rslora": True}, 16, 64.0),
    ({"r": 8, "lora_alpha": 8, "alpha_pattern": {"to_k": 32}}, 8, 32.0),
    ({"r": 8, "lora_alpha": 8, "alpha_pattern": {r"attn2\.to_k": 32, "to_q": 1}}, 8, 32.0),
    ({"r": 8, "lora_alpha": 8, "alpha_pattern": {f"{BLOCK}.attn2.to_k": 2}}, 8, 2.0),
    ({"r": 8, "lora_alpha": 8, "alpha_pattern": {"^down_blocks.2.*to_k$": 32}}, 8, 32.0),
    ({"r": 8, "lora_alpha": 8, "alpha_pattern": {"^attn2.to_k": 32, r"attn(1|2)\.to_[kv]": 4}}, 8, 4.0),
    ({"r": 8, "lora_alpha": 8, "alpha_pattern": {r"^unet.*": 32, "k": 4}}, 8, 8.0),
    ({"r": 8, "lora_alpha": 8, "rank_pattern": {"to_k": 4}, "use_rslora": True}, 4, 16.0),
    ({"r": 12, "lora_alpha": 7, "use_rslora": True}, 12, 7 * math.sqrt(12)),
]


@pytest.mark.parametrize(("told", "rank", "alpha"), ALPHAS)
def test_the_alpha_of_the_settings_becomes_a_tensor_of_its_own(told: dict[str, Any], rank: int, alpha: float) -> None:
    shapes = diffusers(f"unet.{BLOCK}.attn2.to_k", 1280, 2048, rank)
    found = look(shapes, settings(**told))
    assert found.architecture.alpha == pytest.approx(alpha) and found.architecture.rank == rank
    tensors = load(copy_of(packed(shapes, settings(**told))))
    base = f"lora_unet_{FLAT}_attn2_to_k"
    assert float(tensors[f"{base}.alpha"]) == pytest.approx(alpha)
    assert tensors[f"{base}.lora_up.weight"].tobytes() == b"\x00\x2c" * (1280 * rank), "it is never in the weights"


def test_text_encoders_have_settings_of_their_own_and_their_alpha_reaches_engines_too() -> None:
    told = {
        "lora_adapter_metadata": json.dumps(
            {"unet.r": 4, "unet.lora_alpha": 4, "text_encoder.r": 4, "text_encoder.lora_alpha": 12}
        )
    }
    module = "text_encoder.text_model.encoder.layers.3.self_attn.q_proj"
    shapes = {**diffusers(f"unet.{BLOCK}.attn2.to_k", 1280, 2048), **peft(module, 768, 768)}
    tensors = load(copy_of(packed(shapes, told)))
    assert float(tensors[f"{module}.alpha"]) == 12.0 and float(tensors[f"lora_unet_{FLAT}_attn2_to_k.alpha"]) == 4.0


def test_a_file_that_engines_read_gets_a_copy_only_for_an_alpha_that_they_would_not_know() -> None:
    module = "diffusion_model.input_blocks.8.1.transformer_blocks.3.attn2.to_v"
    assert look(peft(module, 1280, 2048)).plan is None
    assert look(peft(module, 1280, 2048), settings(r=4, lora_alpha=4)).plan is None
    found = look(peft(module, 1280, 2048), settings(r=4, lora_alpha=8))
    assert found.plan is not None and found.plan.alphas == {f"{module}.alpha": 8.0}
    assert "does not know the alpha" in original_in_words(found.behaviour)
    assert look(kohya_sdxl(), settings(r=4, lora_alpha=99)).plan is None, "its own tensors say it"


def test_the_settings_beside_an_adapter_of_peft_tell_its_alpha() -> None:
    shapes = peft(f"base_model.model.{BLOCK}.attn2.to_k", 1280, 2048, 8)
    beside = Note(settings={"peft_type": "LORA", "r": 8, "lora_alpha": 32})
    assert look(shapes, note=beside).architecture.alpha == 32.0
    loha_of_peft = {
        f"base_model.model.{name}": shape for name, shape in loha(f"{BLOCK}.attn2.to_k", 1280, 2048).items()
    }
    del loha_of_peft[f"base_model.model.{BLOCK}.attn2.to_k.alpha"]
    assert look(loha_of_peft, note=Note(settings={"peft_type": "LOHA", "r": 4, "alpha": 12})).architecture.alpha == 12.0
    alone = look(shapes)
    assert (alone.architecture.alpha, alone.behaviour.traits) == (8.0, ("no-alpha",))
    assert "does not say its alpha" in " ".join(behaviour_in_words(alone.behaviour).warnings)


def test_numbers_of_eight_bytes_stay_where_readers_can_map_them() -> None:
    base = f"unet.{BLOCK}.attn2.to_k"
    tensors = {f"{base}.lora.down.weight": np.ones((4, 2048)), f"{base}.lora.up.weight": np.ones((1280, 4))}
    copy = copy_of(save(tensors, settings(r=4, lora_alpha=2)))
    header = read_header(BytesIO(copy))
    for tensor in header.tensors.values():
        assert (header.data_start + tensor.start) % {"F64": 8, "F32": 4}[tensor.dtype] == 0
    assert float(load(copy)[f"lora_unet_{FLAT}_attn2_to_k.alpha"]) == 2.0


def test_magnitudes_of_peft_are_spelled_as_the_loader_multiplies_with_them() -> None:
    base = f"unet.{BLOCK}.attn2.to_k"
    shapes = {**peft(base, 1280, 2048), f"{base}.lora_magnitude_vector": [1280]}
    found = look(shapes)
    assert found.architecture.algorithm is Algorithm.DORA and found.behaviour.traits[0] == "magnitudes"
    assert load(copy_of(packed(shapes)))[f"lora_unet_{FLAT}_attn2_to_k.dora_scale"].shape == (1280, 1)
    of_onetrainer = {**lora(base, 1280, 2048), f"{base}.dora_scale": [1, 2048]}
    assert look(of_onetrainer).behaviour.traits == ()
    assert load(copy_of(packed(of_onetrainer)))[f"lora_unet_{FLAT}_attn2_to_k.dora_scale"].shape == (1, 2048)


def test_what_cannot_be_spelled_anew_is_named_and_the_rest_goes_on() -> None:
    base = f"unet.{BLOCK}.attn2.to_k"
    shapes = {**peft(base, 1280, 2048), f"{base}.lora_B.bias": [1280], "unet.conv_norm.something.lora_A.weight": [4, 4]}
    found = look(shapes)
    assert (found.refusal, found.behaviour.read, found.behaviour.tensors) == (None, 2, 4)
    said = " ".join(behaviour_in_words(found.behaviour).warnings)
    assert f"reads 2 of 4 tensors. It passes over {base}.lora_B.bias" in said and "biases" in said


SQUARED = {f"lycoris_{FLAT}_attn2_to_k.oft_blocks": [4, 20, 20]}
NAMED = [
    ({f"lycoris_{FLAT}_attn2_to_k.on_input": [], f"lycoris_{FLAT}_attn2_to_k.weight": [1280]}, "IA3"),
    ({f"base_model.model.{BLOCK}.attn2.to_k.ia3_l": [1280, 1]}, "IA3"),
    ({f"oft_unet_{FLAT}_attn2_to_k.oft_blocks": [4, 320, 320]}, "OFT of sd-scripts"),
    (
        {
            f"lycoris_{FLAT}_attn2_to_k.alpha": [], f"lycoris_{FLAT}_attn2_to_k.lambda_layer": [1, 8],
            f"lycoris_{FLAT}_attn2_to_k.p_layer.weight": [1280, 8],
            f"lycoris_{FLAT}_attn2_to_k.q_layer.weight": [8, 2048],
        },
        "T-LoRA",
    ),
    ({f"lora_unet_{FLAT}_attn2_to_k.oft_R.weight": [20, 496]}, "OFTv2"),
    ({f"base_model.model.{BLOCK}.attn2.to_k.oft_R.weight": [20, 496]}, "OFTv2"),
    ({f"base_model.model.{BLOCK}.attn2.to_k.oft_r": [8, 256, 256]}, "OFT of PEFT"),
    (
        {f"unet.{BLOCK}.attn2.to_k.lora_{part}": shape for part, shape in
         (("A", [8, 2048]), ("B", [1280, 8]), ("E", [8, 1]))},
        "AdaLoRA",
    ),
    ({f"base_model.model.{BLOCK}.attn2.to_k.bone_block": [8, 8]}, "Bone"),
    ({f"base_model.model.{BLOCK}.attn2.to_k.boft_R": [2, 4, 20, 20]}, "BOFT of PEFT"),
    ({f"base_model.model.{BLOCK}.attn2.to_k.vera_lambda_d": [8]}, "VeRA"),
    ({f"base_model.model.{BLOCK}.attn2.to_k.hra_u": [2048, 8]}, "HRA"),
    ({f"base_model.model.{BLOCK}.attn2.to_k.randlora_lambda": [8, 1]}, "RandLoRA"),
    ({f"base_model.model.{BLOCK}.attn2.to_k.fourierft_spectrum": [50]}, "FourierFT"),
    ({f"base_model.model.{BLOCK}.attn2.to_k.waveft_spectrum": [50]}, "WaveFT"),
    ({f"base_model.model.{BLOCK}.attn2.to_k.c3a_kernel": [8, 8, 8]}, "C3A"),
    ({f"base_model.model.{BLOCK}.attn2.to_k.road_theta": [32]}, "RoAd"),
    ({f"base_model.model.{BLOCK}.attn2.to_k.delora_A": [8, 64]}, "DeLoRA"),
    ({f"base_model.model.{BLOCK}.attn2.to_k.shira_weight": [99]}, "SHiRA"),
    ({f"base_model.model.{BLOCK}.attn2.to_k.miss_block": [8, 64]}, "MiSS"),
    ({f"base_model.model.{BLOCK}.attn2.to_k.gralora_A": [2, 32, 8]}, "GraLoRA"),
]  # fmt: skip


@pytest.mark.parametrize("pattern", [r"(?:\w+)+to_k", ".*a.*b.*to_k", "(?=down)to_k", "to_k(", "x" * 300 + "*"])
def test_expressions_that_could_run_away_are_told_and_not_run(pattern: str) -> None:
    told = {"unet.r": 8, "unet.lora_alpha": 16, "unet.alpha_pattern": {pattern: 64}}
    shapes = peft(f"unet.{BLOCK}.attn2.to_k", 1280, 2048, 8)
    found = inspect(BytesIO(packed(shapes, {"lora_adapter_metadata": json.dumps(told)})), "x.safetensors")
    assert found.architecture.alpha == 16
    assert "by expressions that are not read here" in " ".join(behaviour_in_words(found.behaviour).warnings)


def test_the_name_that_somebody_gave_an_adapter_of_peft_is_no_part_of_the_layers_name() -> None:
    shapes = {f"unet.{BLOCK}.attn2.to_k.lora_{part}.wet-paint.weight": shape for part, shape in
              (("A", [8, 2048]), ("B", [1280, 8]))}  # fmt: skip
    found = look(shapes)
    assert found.refusal is None
    assert (found.behaviour.own, found.behaviour.read, found.behaviour.copied) == (0, 2, True)


@pytest.mark.parametrize(("shapes", "name"), NAMED)
def test_what_no_engine_loads_is_refused_by_its_right_name(shapes: Shapes, name: str) -> None:
    assert look(shapes).refusal == (f"This is {name}, which ComfyUI cannot load: pictures would look as without it.")


def test_names_that_no_engine_knows_are_refused_and_not_published_as_a_style() -> None:
    shapes = lora("lora_unet_input_blocks_4_1_strange_attn2_to_k", 640, 2048)
    assert (
        look(shapes).refusal
        == "ComfyUI reads none of the 3 tensors of this LoRA, so pictures would look as without it."
    )


def with_scalar(shapes: Shapes, ending: str, value: float) -> bytes:
    """A file in F16 whose scalars have that value."""
    return packed(shapes).replace(struct.pack("<e", 8.0), struct.pack("<e", value)) if ending else packed(shapes)


@pytest.mark.parametrize(
    ("more", "alpha", "traits"),
    [
        ({}, 0.0, ("squared",)),
        ({"rescale": [1280, 1]}, 0.0, ("squared", "rescaled")),
        ({}, 0.01, ("squared", "constrained")),
    ],
)
def test_oft_tells_how_its_strength_acts(more: Shapes, alpha: float, traits: tuple[str, ...]) -> None:
    base = f"lycoris_{FLAT}_attn2_to_k"
    shapes = {**SQUARED, f"{base}.alpha": [], **{f"{base}.{name}": shape for name, shape in more.items()}}
    metadata = {"ss_base_model_version": "sdxl_base_v1-0"}
    data = packed(shapes, metadata).replace(struct.pack("<e", 8.0), struct.pack("<e", alpha))
    found = inspect(BytesIO(data), "oft.safetensors", with_hashes=True)
    assert (found.refusal, found.behaviour.traits) == (None, traits)
    assert (found.architecture.rank, found.architecture.alpha) == (None, None), "a constraint is no alpha"
    assert "square of its strength" in behaviour_in_words(found.behaviour).warnings[0]


def test_an_alpha_that_scales_nothing_is_not_shown() -> None:
    data = packed(lokr(f"lora_unet_{FLAT}_attn2_to_k", [16, 32], [80, 64]))
    found = inspect(BytesIO(data), "x.safetensors")
    assert (found.architecture.algorithm, found.architecture.rank, found.architecture.alpha) == (
        Algorithm.LOKR,
        None,
        None,
    )


def test_glora_without_metadata_is_known_by_its_widths() -> None:
    base = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_v"
    shapes = {
        f"{base}.a1.weight": [8, 2048], f"{base}.a2.weight": [2048, 8], f"{base}.b1.weight": [8, 640],
        f"{base}.b2.weight": [640, 8], f"{base}.alpha": [],
    }  # fmt: skip
    found = look(shapes)
    assert (found.refusal, found.architecture.rank, found.behaviour.read) == (None, 8, 5)
