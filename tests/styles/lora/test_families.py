"""The family of models that a LoRA is for, by the names that trainers give its tensors.

The names are those that the loader of ComfyUI 0.33.0 maps to weights, and the widths those of the models themselves.
"""

from __future__ import annotations

from io import BytesIO

import pytest

from styles.lora import OF_STYLES, Family, describe, family_said, read_header, refusal
from styles.lora.structure.architecture import Architecture
from tests.styles.lora.files import Shapes, encoder, kohya_sdxl, lokr, lora, packed, peft


def look(shapes: Shapes, metadata: dict[str, str] | None = None) -> Architecture:
    file = BytesIO(packed(shapes, metadata, "F16"))
    return describe(read_header(file), file)


def all_of(*names: str, make: str = "peft", out: int = 3072, wide: int = 3072) -> Shapes:
    """LoRA layers of these names, as PEFT or as sd-scripts write them."""
    found: Shapes = {}
    for name in names:
        found |= peft(name, out, wide) if make == "peft" else lora(name, out, wide)
    return found


def blocks(name: str, number: int) -> list[str]:
    return [name.format(place) for place in range(number)]


# What it is called, its tensors, metadata, and the family.
TABLE: list[tuple[str, Shapes, dict[str, str], Family]] = [
    ("SDXL, sd-scripts", kohya_sdxl(), {}, Family.SDXL),
    (
        "SD 1.5, sd-scripts",
        lora("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k", 1280, 768),
        {},
        Family.SD1,
    ),
    # Z-Image: 3840 wide. Lumina 2 has the same names, and is 2304 wide.
    ("Z-Image, ai-toolkit", peft("diffusion_model.layers.0.attention.to_q", 3840, 3840), {}, Family.Z_IMAGE),
    (
        "Z-Image, as the model names it",
        peft("diffusion_model.layers.29.attention.qkv", 11520, 3840),
        {},
        Family.Z_IMAGE,
    ),
    ("Z-Image, sd-scripts", lora("lora_unet_layers_3_attention_qkv", 11520, 3840), {}, Family.Z_IMAGE),
    ("Z-Image, diffusers", peft("transformer.noise_refiner.1.attention.to_out.0", 3840, 3840), {}, Family.Z_IMAGE),
    ("Z-Image, without a prefix", peft("context_refiner.0.attention.to_k", 3840, 3840), {}, Family.Z_IMAGE),
    ("Z-Image, feed-forward alone", peft("diffusion_model.layers.0.feed_forward.w2", 3840, 10240), {}, Family.Z_IMAGE),
    ("Z-Image, LoKr", lokr("lycoris_layers_0_attention_to_v", [60, 60], [64, 64]), {}, Family.Z_IMAGE),
    ("Lumina 2", peft("diffusion_model.layers.0.attention.qkv", 3840, 2304), {}, Family.LUMINA),
    # Flux.1: 3072 wide, 19 and 38 blocks, with a modulation in each.
    (
        "Flux.1, ai-toolkit",
        all_of("transformer.transformer_blocks.18.attn.to_q", "transformer.single_transformer_blocks.37.attn.to_q"),
        {},
        Family.FLUX,
    ),
    ("Flux.1, sd-scripts", lora("lora_unet_single_blocks_0_linear1", 21504, 3072), {}, Family.FLUX),
    ("Flux.1, feed-forward alone", lora("lora_unet_double_blocks_0_img_mlp_2", 3072, 12288), {}, Family.FLUX),
    ("Flux.1, a single block", peft("transformer.single_transformer_blocks.7.proj_out", 3072, 15360), {}, Family.FLUX),
    (
        "Flux.1, OneTrainer",
        lora("lora_transformer_single_transformer_blocks_37_attn_to_q", 3072, 3072),
        {},
        Family.FLUX,
    ),
    # Chroma has the names and widths of Flux.1: only a layer of its own, or what it says, tell.
    (
        "Chroma, all of it",
        all_of("diffusion_model.distilled_guidance_layer.in_proj", "diffusion_model.double_blocks.0.img_attn.qkv"),
        {},
        Family.CHROMA,
    ),
    (
        "Chroma, sd-scripts",
        lora("lora_unet_double_blocks_18_img_attn_qkv", 9216, 3072),
        {"modelspec.architecture": "chroma/lora"},
        Family.CHROMA,
    ),
    (
        "Chroma, ai-toolkit",
        peft("diffusion_model.single_blocks.37.linear2", 3072, 15360),
        {"ss_base_model_version": "chroma"},
        Family.CHROMA,
    ),
    # Flux.2: one modulation for all blocks, gated feed-forward. Klein 4B is as wide as Flux.1, with 5 and 20 blocks.
    (
        "Klein 4B, feed-forward",
        peft("diffusion_model.double_blocks.0.img_mlp.2", 3072, 9216),
        {},
        Family.FLUX2_KLEIN_4B,
    ),
    (
        "Klein 4B, single blocks",
        peft("diffusion_model.single_blocks.0.linear1", 27648, 3072),
        {},
        Family.FLUX2_KLEIN_4B,
    ),
    ("Klein 4B, sd-scripts", lora("lora_unet_single_blocks_19_linear2", 3072, 12288), {}, Family.FLUX2_KLEIN_4B),
    (
        "Klein 4B, diffusers",
        peft("transformer.single_transformer_blocks.0.attn.to_qkv_mlp_proj", 27648, 3072),
        {},
        Family.FLUX2_KLEIN_4B,
    ),
    (
        "Klein 4B, attention alone",
        all_of(*blocks("diffusion_model.double_blocks.{}.img_attn.qkv", 5), out=9216),
        {},
        Family.FLUX2_KLEIN_4B,
    ),
    (
        "Klein 4B, modulation",
        peft("diffusion_model.double_stream_modulation_img.lin", 18432, 3072),
        {},
        Family.FLUX2_KLEIN_4B,
    ),
    (
        "Klein 4B, by what it says",
        peft("diffusion_model.double_blocks.1.img_attn.proj", 3072, 3072),
        {"ss_base_model_version": "flux2_klein_4b"},
        Family.FLUX2_KLEIN_4B,
    ),
    ("Klein 9B", peft("diffusion_model.double_blocks.0.img_attn.qkv", 12288, 4096), {}, Family.FLUX2_KLEIN_9B),
    (
        "Flux.2 Dev",
        peft("transformer.transformer_blocks.0.attn.to_q", 6144, 6144)
        | peft("transformer.single_transformer_blocks.0.attn.to_q", 6144, 6144),
        {},
        Family.FLUX2,
    ),
    # Qwen-Image
    (
        "Qwen-Image, diffusers",
        peft("transformer.transformer_blocks.0.txt_mlp.net.0.proj", 12288, 3072),
        {},
        Family.QWEN,
    ),
    ("Qwen-Image, DiffSynth", peft("transformer_blocks.0.img_mod.1", 18432, 3072), {}, Family.QWEN),
    ("Qwen-Image, sd-scripts", lora("lora_unet_transformer_blocks_59_attn_add_k_proj", 3072, 3072), {}, Family.QWEN),
    ("Qwen-Image, SimpleTuner", lokr("lycoris_transformer_blocks_30_attn_to_q", [48, 48], [64, 64]), {}, Family.QWEN),
    # Stable Diffusion 3 and 3.5: Large is 2432 wide; Medium is as wide as 3, with another attention in 13 blocks.
    ("SD 3.5 Large, sd-scripts", lora("lora_unet_joint_blocks_0_x_block_attn_qkv", 7296, 2432), {}, Family.SD35_LARGE),
    ("SD 3.5 Large, diffusers", peft("transformer.transformer_blocks.37.attn.to_k", 2432, 2432), {}, Family.SD35_LARGE),
    (
        "SD 3.5 Large, feed-forward",
        peft("transformer.transformer_blocks.1.ff.net.0.proj", 9728, 2432),
        {},
        Family.SD35_LARGE,
    ),
    (
        "SD 3.5 Large, OneTrainer",
        lora("lora_transformer_transformer_blocks_0_attn_add_q_proj", 2432, 2432),
        {},
        Family.SD35_LARGE,
    ),
    ("SD 3.5 Medium", peft("transformer.transformer_blocks.0.attn2.to_k", 1536, 1536), {}, Family.SD35_MEDIUM),
    (
        "SD 3.5 Medium, sd-scripts",
        lora("lora_unet_joint_blocks_12_x_block_attn2_qkv", 4608, 1536),
        {},
        Family.SD35_MEDIUM,
    ),
    (
        "SD 3.5 Medium, by what it says",
        lora("lora_unet_joint_blocks_20_x_block_mlp_fc1", 6144, 1536),
        {"modelspec.architecture": "stable-diffusion-3.5-medium"},
        Family.SD35_MEDIUM,
    ),
    ("SD 3", lora("lora_unet_joint_blocks_20_x_block_attn_qkv", 4608, 1536), {}, Family.SD3),
    # Nothing that tells.
    ("Flux.1 or Qwen-Image", peft("transformer.transformer_blocks.7.attn.to_k", 3072, 3072), {}, Family.UNKNOWN),
    ("a text encoder that many models have", encoder("lora_te1_", 768), {}, Family.UNKNOWN),
]


@pytest.mark.parametrize(("shapes", "metadata", "family"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_family_of_a_lora_is_told_by_its_keys(shapes: Shapes, metadata: dict[str, str], family: Family) -> None:
    what = look(shapes, metadata)
    assert what.family is family
    assert (refusal(what) is None) == (family in OF_STYLES or family is Family.UNKNOWN)


def test_every_family_that_a_style_can_have_is_told_by_some_key_and_has_a_name() -> None:
    assert set(OF_STYLES) <= {row[3] for row in TABLE}
    assert all(family.label for family in OF_STYLES)


@pytest.mark.parametrize(
    ("said", "family"),
    [
        ("sdxl_1.0", Family.SDXL), ("sd_v1", Family.SD1), ("flux1", Family.FLUX), ("flux2", Family.FLUX2),
        ("flux2_klein_9b", Family.FLUX2_KLEIN_9B), ("zimage", Family.Z_IMAGE), ("z-image-turbo", Family.Z_IMAGE),
        ("qwen_image", Family.QWEN), ("chroma", Family.CHROMA), ("sd3.5_large", Family.SD35_LARGE),
        ("wan21", Family.WAN), ("sd3", Family.SD3), ("something else", None),
    ],
)  # fmt: skip
def test_what_a_file_says_of_its_model_is_understood(said: str, family: Family | None) -> None:
    assert family_said({"ss_base_model_version": said}) is family
