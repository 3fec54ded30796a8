"""Every trainer's files are recognised, and those for other models are refused by name."""

from __future__ import annotations

from io import BytesIO

import pytest

from styles.lora import (
    OF_STYLES,
    Algorithm,
    Architecture,
    Family,
    Kind,
    Layout,
    describe,
    inspect,
    read_header,
    refusal,
)
from tests.styles.lora.files import Shapes, comfyui_sdxl, encoder, kohya_sdxl, loha, lokr, lora, packed, peft

DOWN = "down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
DOTTED = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
AI_TOOLKIT = {"software": '{"name": "ai-toolkit", "version": "0.7"}', "ss_base_model_version": "sdxl_1.0"}


def dora(module: str, out: int, wide: int) -> Shapes:
    return {**lora(module, out, wide), f"{module}.dora_scale": [1, wide]}


def look(shapes: Shapes, metadata: dict[str, str] | None = None, dtype: str = "F16") -> Architecture:
    file = BytesIO(packed(shapes, metadata, dtype))
    return describe(read_header(file), file)


# What it is called, its names and shapes, metadata, and what is expected: layout, algorithm, rank, text encoders.
SDXL: list[tuple[str, Shapes, dict[str, str], Layout, Algorithm, int | None, tuple[str, ...]]] = [
    ("sd-scripts", kohya_sdxl(), {}, Layout.KOHYA, Algorithm.LORA, 4, ("te1", "te2")),
    (
        "sd-scripts, convolutions too",
        {**kohya_sdxl(), **lora("lora_unet_input_blocks_1_0_in_layers_2", 320, 320, kernel=3)},
        {},
        Layout.KOHYA,
        Algorithm.LOCON,
        4,
        ("te1", "te2"),
    ),
    (
        "ai-toolkit",
        {
            **lora(f"lora_unet_{DOWN}", 640, 2048, rank=16),
            **lora("lora_unet_mid_block_attentions_0_proj_in", 1280, 1280),
        },
        AI_TOOLKIT,
        Layout.KOHYA_DIFFUSERS,
        Algorithm.LORA,
        16,
        (),
    ),
    (
        "OneTrainer, DoRA",
        {**dora(f"lora_unet_{DOWN}", 640, 2048), **encoder("lora_te1_", 768), "bundle_emb.ink.clip_l": [2, 768]},
        {},
        Layout.KOHYA_DIFFUSERS,
        Algorithm.DORA,
        4,
        ("te1",),
    ),
    (
        "diffusers with PEFT",
        {
            **peft(f"unet.{DOTTED}", 640, 2048, rank=8),
            **peft("text_encoder.text_model.encoder.layers.0.self_attn.q_proj", 768, 768, rank=8),
            **peft("text_encoder_2.text_model.encoder.layers.0.self_attn.q_proj", 1280, 1280, rank=8),
        },
        {},
        Layout.PEFT,
        Algorithm.LORA,
        8,
        ("te1", "te2"),
    ),
    (
        "diffusers before PEFT",
        {f"unet.{DOTTED}.lora.down.weight": [4, 2048], f"unet.{DOTTED}.lora.up.weight": [640, 4]},
        {},
        Layout.DIFFUSERS,
        Algorithm.LORA,
        4,
        (),
    ),
    (
        "diffusers, attention processors",
        {
            f"unet.{DOTTED.replace('.to_k', '.processor.to_k')}_lora.down.weight": [4, 2048],
            f"unet.{DOTTED.replace('.to_k', '.processor.to_k')}_lora.up.weight": [640, 4],
        },
        {},
        Layout.DIFFUSERS,
        Algorithm.LORA,
        4,
        (),
    ),
    (
        "a PEFT adapter",
        peft(f"base_model.model.{DOTTED}", 640, 2048),
        {},
        Layout.PEFT,
        Algorithm.LORA,
        4,
        (),
    ),
    (
        "OneTrainer, dotted names, DoRA",
        dora("unet.input_blocks.4.1.transformer_blocks.0.attn2.to_k", 640, 2048),
        {},
        Layout.ONETRAINER,
        Algorithm.DORA,
        4,
        (),
    ),
    ("ComfyUI", comfyui_sdxl(), {}, Layout.COMFYUI, Algorithm.LOCON, 4, ()),
    (
        "ComfyUI, LoHa",
        {**loha("diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k", 640, 2048)},
        {},
        Layout.COMFYUI,
        Algorithm.LOHA,
        4,
        (),
    ),
    ("LyCORIS, LoHa", loha(f"lora_unet_{DOWN}", 640, 2048), {}, Layout.KOHYA_DIFFUSERS, Algorithm.LOHA, 4, ()),
    (
        "LyCORIS, LoKr",
        lokr(f"lora_unet_{DOWN}", [16, 32], [40, 64]),
        {},
        Layout.KOHYA_DIFFUSERS,
        Algorithm.LOKR,
        None,
        (),
    ),
    (
        "LyCORIS, LoKr, second factor decomposed",
        {
            f"lycoris_{DOWN}.lokr_w1": [16, 32],
            f"lycoris_{DOWN}.lokr_w2_a": [40, 4],
            f"lycoris_{DOWN}.lokr_w2_b": [4, 64],
        },
        {},
        Layout.LYCORIS,
        Algorithm.LOKR,
        4,
        (),
    ),
    (
        "full difference",
        {f"lora_unet_{DOWN}.diff": [640, 2048]},
        {},
        Layout.KOHYA_DIFFUSERS,
        Algorithm.FULL,
        None,
        (),
    ),
    (
        "text encoders alone",
        {**encoder("lora_te1_", 768), **encoder("lora_te2_", 1280)},
        {},
        Layout.KOHYA,
        Algorithm.LORA,
        4,
        ("te1", "te2"),
    ),
    (
        "nothing but metadata tells",
        lora("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q", 640, 640),
        {"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"},
        Layout.KOHYA_DIFFUSERS,
        Algorithm.LORA,
        4,
        (),
    ),
]

FLUX_KOHYA = {
    **lora("lora_unet_double_blocks_0_img_attn_qkv", 9216, 3072),
    **lora("lora_unet_single_blocks_0_linear1", 21504, 3072),
    **encoder("lora_te1_", 768),
}
OTHERS: list[tuple[str, Shapes, dict[str, str], Family]] = [
    (
        "SD 1.5, sd-scripts",
        {
            **lora("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", 320, 768),
            **lora("lora_unet_down_blocks_0_attentions_0_proj_in", 320, 320, kernel=1),
            **encoder("lora_te_", 768),
        },
        {},
        Family.SD1,
    ),
    (
        "SD 1.5, LoHa",
        loha("lora_unet_up_blocks_3_attentions_2_transformer_blocks_0_attn2_to_v", 320, 768),
        {},
        Family.SD1,
    ),
    ("SD 1.5, diffusers", peft(f"unet.{DOTTED}", 640, 768), {}, Family.SD1),
    (
        "SD 1.5, self-attention alone",
        lora("lora_unet_up_blocks_3_attentions_2_transformer_blocks_0_attn1_to_q", 320, 320),
        {},
        Family.SD1,
    ),
    (
        "SD 1.5 that claims to be SDXL",
        lora(f"lora_unet_{DOWN}", 640, 768),
        {"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"},
        Family.SD1,
    ),
    ("SD 1.5, text encoder alone", encoder("lora_te_", 768), {}, Family.SD1),
    (
        "SD 2, sd-scripts",
        {**lora(f"lora_unet_{DOWN}", 640, 1024), **encoder("lora_te_", 1024)},
        {"ss_v2": "True"},
        Family.SD2,
    ),
    ("SD 2, text encoder alone", encoder("lora_te_", 1024), {}, Family.SD2),
    (
        "SDXL Refiner",
        lora("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", 768, 1280),
        {},
        Family.SDXL_REFINER,
    ),
    ("Flux, sd-scripts", FLUX_KOHYA, {}, Family.FLUX),
    (
        "Flux, ai-toolkit",
        {
            **peft("diffusion_model.double_blocks.0.img_attn.qkv", 9216, 3072),
            **peft("diffusion_model.single_blocks.0.linear1", 21504, 3072),
        },
        AI_TOOLKIT | {"ss_base_model_version": "flux1"},
        Family.FLUX,
    ),
    (
        "Flux, diffusers",
        {
            **peft("transformer.single_transformer_blocks.0.attn.to_k", 3072, 3072),
            **peft("transformer.transformer_blocks.0.attn.to_k", 3072, 3072),
        },
        {},
        Family.FLUX,
    ),
    (
        "Flux or Qwen-Image",
        peft("transformer.transformer_blocks.7.attn.to_k", 3072, 3072),
        {},
        Family.UNKNOWN,
    ),
    (
        "Flux, OneTrainer, DoRA",
        dora("lora_transformer_single_transformer_blocks_0_attn_to_k", 3072, 3072),
        {},
        Family.FLUX,
    ),
    (
        "Flux, XLabs",
        {
            "double_blocks.0.processor.qkv_lora1.down.weight": [16, 3072],
            "double_blocks.0.processor.qkv_lora1.up.weight": [9216, 16],
        },
        {},
        Family.FLUX,
    ),
    ("Flux, LoKr", lokr("diffusion_model.double_blocks.0.img_attn.proj", [32, 96], [32, 32]), {}, Family.FLUX),
    (
        "SD 3, sd-scripts",
        {
            **lora("lora_unet_joint_blocks_0_context_block_attn_qkv", 4608, 1536),
            **encoder("lora_te1_", 768),
            **encoder("lora_te2_", 1280),
        },
        {},
        Family.SD3,
    ),
    ("SD 3, diffusers", peft("transformer.transformer_blocks.0.attn.add_k_proj", 1536, 1536), {}, Family.SD3),
    ("SD 3.5 large", peft("transformer.transformer_blocks.37.attn.to_k", 2432, 2432), {}, Family.SD35_LARGE),
    ("PixArt", peft("transformer.transformer_blocks.0.attn2.to_k", 1152, 1152), {}, Family.PIXART),
    ("Qwen-Image", peft("transformer.transformer_blocks.0.img_mlp.net.2", 3072, 12288), {}, Family.QWEN),
    ("Qwen-Image, attention alone", peft("transformer.transformer_blocks.59.attn.to_k", 3072, 3072), {}, Family.QWEN),
    ("Z-Image", peft("diffusion_model.layers.0.attention.to_q", 3840, 3840), {}, Family.Z_IMAGE),
    ("Wan", peft("diffusion_model.blocks.0.cross_attn.k", 5120, 5120), {}, Family.WAN),
    (
        "Hunyuan video",
        {
            **peft("diffusion_model.double_blocks.0.img_attn.qkv", 9216, 3072),
            **peft("diffusion_model.individual_token_refiner.blocks.0.mlp.fc1", 12288, 3072),
        },
        {},
        Family.HUNYUAN,
    ),
    ("Stable Cascade", lora("lora_prior_unet_down_blocks_0_2_attention_attn_to_k", 1536, 1536), {}, Family.CASCADE),
    # Widths of 2048 outside of a U-Net are not SDXL's.
    ("LTX video", peft("transformer.transformer_blocks.0.attn2.to_k", 2048, 2048), {}, Family.UNKNOWN),
    ("Anima", lora("lora_unet_blocks_0_cross_attn_k_proj", 2048, 2048), {}, Family.UNKNOWN),
    ("text encoder that many models have", encoder("lora_te1_", 768), {}, Family.UNKNOWN),
    (
        "text encoders of Flux, OneTrainer",
        {**encoder("lora_te1_", 768), **lora("lora_te2_encoder_block_0_layer_0_SelfAttention_q", 4096, 4096)},
        {},
        Family.UNKNOWN,
    ),
]


@pytest.mark.parametrize(
    ("shapes", "metadata", "layout", "algorithm", "rank", "encoders"),
    [row[1:] for row in SDXL],
    ids=[row[0] for row in SDXL],
)
def test_sdxl_files_of_every_trainer_are_taken_for_what_they_are(
    shapes: Shapes,
    metadata: dict[str, str],
    layout: Layout,
    algorithm: Algorithm,
    rank: int | None,
    encoders: tuple[str, ...],
) -> None:
    what = look(shapes, metadata)
    assert (what.kind, what.family, what.layout, what.algorithm) == (Kind.LORA, Family.SDXL, layout, algorithm)
    assert (what.rank, what.text_encoders) == (rank, encoders)
    assert refusal(what) is None


@pytest.mark.parametrize(("shapes", "metadata", "family"), [row[1:] for row in OTHERS], ids=[row[0] for row in OTHERS])
def test_files_for_models_without_pictures_are_refused_by_name(
    shapes: Shapes, metadata: dict[str, str], family: Family
) -> None:
    what = look(shapes, metadata)
    assert what.family is family
    sentence = refusal(what)
    assert (sentence is None) == (family in OF_STYLES or family is Family.UNKNOWN)
    assert sentence is None or family.label in sentence


def test_the_refusal_says_which_model_it_is_for() -> None:
    sentence = refusal(look(lora(f"lora_unet_{DOWN}", 640, 1024)))
    assert sentence == "This LoRA is for Stable Diffusion 2.x, with which no pictures are made here."


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("model.diffusion_model.input_blocks.0.0.weight", Kind.CHECKPOINT, "whole checkpoint"),
        ("down_blocks.0.resnets.0.conv1.weight", Kind.CHECKPOINT, "whole checkpoint"),
        ("clip_g", Kind.EMBEDDING, "embedding"),
        ("control_model.input_blocks.0.0.weight", Kind.CONTROL, "ControlNet"),
        ("ip_adapter.1.to_k_ip.weight", Kind.ADAPTER, "IP-Adapter"),
        ("decoder.conv_in.weight", Kind.VAE, "VAE"),
        ("some.weight", Kind.OTHER, "none of its weights"),
    ],
)
def test_files_that_are_no_lora_are_called_by_their_name(name: str, kind: Kind, said: str) -> None:
    what = look({name: [2, 2]})
    assert what.kind is kind
    assert said in (refusal(what) or "")


def test_a_control_lora_is_no_style() -> None:
    what = look({"lora_controlnet": [1], **lora("input_blocks.1.0.in_layers.2", 320, 320)})
    assert what.kind is Kind.CONTROL


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32"])
def test_alpha_is_read_from_the_file_in_every_format(dtype: str) -> None:
    what = look(kohya_sdxl(rank=16), dtype=dtype)
    assert (what.alpha, what.rank) == (8.0, 16)


def test_without_an_alpha_it_equals_the_rank() -> None:
    assert look(peft(f"unet.{DOTTED}", 640, 2048, rank=8)).alpha == 8.0


def test_an_alpha_that_is_no_number_is_passed_over() -> None:
    data = packed(lora(f"lora_unet_{DOWN}", 640, 2048))
    file = BytesIO(data.replace(b"\x00\x48", b"\x00\x7c", 1))  # 8 becomes infinity
    assert describe(read_header(file), file).alpha == 4.0


def test_ranks_that_differ_give_the_most_common_and_the_largest() -> None:
    block = "lora_unet_input_blocks_4_1_transformer_blocks"
    shapes = {**kohya_sdxl(rank=4), **lora(f"{block}_1_attn2_to_k", 640, 2048, rank=32)}
    what = look(shapes)
    assert (what.rank, what.most_rank) == (4, 32)


def test_a_rank_that_no_layer_can_have_is_passed_over() -> None:
    what = look({f"lora_unet_{DOWN}.lora_down.weight": [2**39, 0], f"lora_unet_{DOWN}.lora_up.weight": [0, 0]})
    assert (what.rank, what.most_rank, what.alpha) == (None, None, None)


def test_inspection_puts_it_all_together() -> None:
    found = inspect(BytesIO(packed(kohya_sdxl(), {"modelspec.title": "Ink"})), "ink_v3.safetensors", with_hashes=True)
    assert (found.title, found.refusal, found.architecture.family) == ("Ink", None, Family.SDXL)
    assert found.hashes is not None
    assert inspect(BytesIO(packed(kohya_sdxl())), "ink_v3.safetensors").title == "ink_v3"
