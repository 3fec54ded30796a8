"""Runs ComfyUI's own loader, in ComfyUI's Python: `python real_loader.py CHECKOUT FILE...` prints one JSON object.

`names`: what its map knows of SDXL, without endings. `files`: for each file the tensors that it passes over, and how
many weights of the model would be changed. The model has no numbers, so it takes no memory.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

checkout, files = sys.argv[1], sys.argv[2:]
sys.path.insert(0, checkout)
sys.argv = [sys.argv[0], "--cpu"]

import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()

import comfy.lora  # noqa: E402
import comfy.lora_convert  # noqa: E402
import comfy.model_base  # noqa: E402
import comfy.sdxl_clip  # noqa: E402
import comfy.supported_models  # noqa: E402
import comfy.utils  # noqa: E402
import torch  # noqa: E402


class Missing(logging.Handler):
    """Collects the names of tensors that the loader says it passed over."""

    names: list[str]

    def emit(self, record: logging.LogRecord) -> None:
        said, _colon, name = record.getMessage().partition("lora key not loaded: ")
        if not said:
            self.names.append(name)


def model() -> comfy.model_base.SDXL:
    """SDXL without numbers."""
    config = comfy.supported_models.SDXL(dict(comfy.supported_models.SDXL.unet_config))
    config.unet_config |= {
        "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 320, "num_res_blocks": [2, 2, 2],
        "channel_mult": [1, 2, 4], "num_head_channels": 64, "use_spatial_transformer": True,
        "transformer_depth": [0, 0, 2, 2, 10, 10],
        "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10], "transformer_depth_middle": 10, "context_dim": 2048,
        "use_linear_in_transformer": True, "adm_in_channels": 2816, "num_classes": "sequential", "legacy": False,
        "use_temporal_attention": False, "dtype": torch.float16,
    }  # fmt: skip
    return comfy.model_base.SDXL(config, device=torch.device("meta"))


with torch.no_grad():
    unet = model()
    with torch.device("meta"):
        clip = comfy.sdxl_clip.SDXLClipModel(device="meta", dtype=torch.float16)
known = comfy.lora.model_lora_keys_unet(unet, {})
known = comfy.lora.model_lora_keys_clip(clip, known)
weights = set(unet.state_dict()) | set(clip.state_dict())
real = {name: target for name, target in known.items() if (target if isinstance(target, str) else target[0]) in weights}

passed = Missing()
logging.getLogger().addHandler(passed)
answers: dict[str, dict[str, Any]] = {}
for file in files:
    passed.names = []
    tensors = comfy.lora_convert.convert_lora(comfy.utils.load_torch_file(file, safe_load=True))
    try:
        patches = comfy.lora.load_lora(tensors, real)
    except KeyError as error:
        answers[file] = {"fails": str(error)}
        continue
    answers[file] = {"passed": passed.names, "patched": len(patches)}
print(json.dumps({"names": sorted(name for name in real if not name.endswith(".bias")), "files": answers}))
