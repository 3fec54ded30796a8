"""What programs call their samplers, in the names that ComfyUI has for the same.

The tables follow A1111 1.10 and Forge (their k-diffusion samplers), InvokeAI 6.14, Fooocus 2.5.5
, which has ComfyUI's, and NovelAI's files of 2026.
"""

from __future__ import annotations

import re

from stylestudio.picture_settings.settings import name

_SAMPLERS = {
    "euler a": "euler_ancestral",
    "euler_a": "euler_ancestral",
    "k_euler_a": "euler_ancestral",
    "euler ancestral": "euler_ancestral",
    "dpm++ 2m": "dpmpp_2m",
    "dpm++ 2m sde": "dpmpp_2m_sde",
    "dpm++ 2m sde heun": "dpmpp_2m_sde_heun",
    "dpm++ 3m sde": "dpmpp_3m_sde",
    "dpm++ sde": "dpmpp_sde",
    "dpm++ 2s a": "dpmpp_2s_ancestral",
    "dpm++ 2s ancestral": "dpmpp_2s_ancestral",
    "dpmpp_2s": "dpmpp_2s_ancestral",
    "dpm2": "dpm_2",
    "dpm2 a": "dpm_2_ancestral",
    "kdpm_2": "dpm_2",
    "kdpm_2_a": "dpm_2_ancestral",
    "dpm2_a": "dpm_2_ancestral",
    "dpm_2_a": "dpm_2_ancestral",
    "dpm fast": "dpm_fast",
    "dpm adaptive": "dpm_adaptive",
    "unipc": "uni_pc",
    "uni pc": "uni_pc",
    "restart": "restart",
    "plms": "lms",
}
_SCHEDULERS = {
    "sgm uniform": "sgm_uniform",
    "sgmuniform": "sgm_uniform",
    "ddim": "ddim_uniform",
    "uniform": "normal",
    "automatic": "",
    "native": "",
    "align your steps": "ays",
    "kl optimal": "kl_optimal",
}
_IN_ONE = re.compile(r"(.+?)[ _](karras|exponential|polyexponential|sgm_uniform|simple|normal|beta)", re.IGNORECASE)


def comfyui(sampler: str, scheduler: str = "") -> tuple[str, str]:
    """Sampler and scheduler under ComfyUI's names, as far as there are any.

    A1111 before 1.9 has both in one name ("DPM++ 2M Karras"), InvokeAI too ("dpmpp_2m_k").
    """
    sampler, scheduler = name(sampler), name(scheduler)
    if both := _IN_ONE.fullmatch(sampler):
        sampler, scheduler = both[1], scheduler or both[2]
    lower = sampler.lower()
    if not scheduler and lower.endswith("_k") and lower not in _SAMPLERS:
        sampler, scheduler = sampler[:-2], "karras"
    lower = sampler.lower().removeprefix("k_")
    lower = _SAMPLERS.get(sampler.lower(), _SAMPLERS.get(lower, lower))
    known = lower.replace(" ", "_") if re.fullmatch(r"[a-z0-9_ +]+", lower) else sampler
    other = scheduler.lower()
    return known.replace("++", "pp"), _SCHEDULERS.get(other, other.replace(" ", "_"))
