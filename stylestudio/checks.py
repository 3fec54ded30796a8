"""System checks: contradictory settings are rejected with a hint before anything starts.

Commands run only these (`stylestudio.processes.command_line`). Django's own examine the code, for which they load every
page; `manage.py check` runs them all.
"""

from __future__ import annotations

import os
import shutil
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from stylestudio.comfy.connection.address import checked_url
from stylestudio.comfy.connection.admission import trust

TAG = "stylestudio"


@register(TAG)
def engine_addresses_are_addresses(**kwargs: Any) -> list[CheckMessage]:
    """Every COMFYUI_URL is an http(s) address."""
    bad = [url for url in settings.COMFYUI_URLS if not _is_callable(url)]
    return [
        Error(
            "COMFYUI_URL holds something that is not an address.",
            hint="Use http://host:8188, several with commas. In a password write @ : / ? # and , percent-encoded.",
            id="stylestudio.E001",
        )
        for _url in bad
    ]


@register(TAG)
def the_certificates_can_be_read(**kwargs: Any) -> list[CheckMessage]:
    """COMFYUI_CA_FILE contains certificates."""
    if settings.COMFYUI_CA_FILE is None:
        return []
    try:
        trust(settings.COMFYUI_CA_FILE)
    except OSError as error:
        return [
            Error(
                f"COMFYUI_CA_FILE is {settings.COMFYUI_CA_FILE}, from which no certificate can be read: {error}.",
                hint="Set it to a file in PEM format, which has lines with BEGIN CERTIFICATE.",
                id="stylestudio.E006",
            )
        ]
    return []


@register(TAG)
def the_shared_folder_is_there(**kwargs: Any) -> list[CheckMessage]:
    """COMFYUI_LORA_DIR is a folder with write permission."""
    folder = settings.LORA_DIR
    if folder is None or (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        return []
    return [
        Error(
            f"COMFYUI_LORA_DIR is {folder}, which is no folder that StyleStudio can write into.",
            hint="Mount the folder, correct its owner, or unset COMFYUI_LORA_DIR.",
            id="stylestudio.E002",
        )
    ]


@register(TAG)
def the_trainer_is_there(**kwargs: Any) -> list[CheckMessage]:
    """SD_SCRIPTS_DIR, SD_SCRIPTS_PYTHON and SD_SCRIPTS_MODELS point to what they should."""
    found: list[CheckMessage] = []
    scripts, models = settings.SD_SCRIPTS_DIR, settings.SD_SCRIPTS_MODELS
    if models is not None and not models.is_dir():
        hint = "Set it to a folder with base checkpoints, such as models/checkpoints of ComfyUI."
        found.append(Error(f"SD_SCRIPTS_MODELS is {models}, which is no folder.", hint=hint, id="stylestudio.E005"))
    if scripts is None:
        return found
    if not (scripts / "sdxl_train_network.py").is_file():
        hint = "Set it to a copy of https://github.com/kohya-ss/sd-scripts, or unset it."
        found.append(
            Error(f"SD_SCRIPTS_DIR is {scripts}, which has no sdxl_train_network.py.", hint=hint, id="stylestudio.E003")
        )
    if shutil.which(settings.SD_SCRIPTS_PYTHON) is None:
        hint = "Set it to the Python for which sd-scripts is installed, such as venv/bin/python in its folder."
        found.append(
            Error(
                f"SD_SCRIPTS_PYTHON is {settings.SD_SCRIPTS_PYTHON}, which cannot be started.",
                hint=hint,
                id="stylestudio.E004",
            )
        )
    return found


@register(TAG)
def several_machines_agree(**kwargs: Any) -> list[CheckMessage]:
    """PostgreSQL with Redis means several machines, which must have the same engines and the same key.

    Each of the two alone is for one machine, which may find its engine and make its key by itself.
    """
    if not (settings.DATABASE_URL and settings.REDIS_URL):
        return []
    found: list[CheckMessage] = []
    if not settings.COMFYUI_URLS:
        hint = (
            "Set COMFYUI_URL on every machine to the same addresses, which all of them can reach. If this studio is "
            "on one machine only, unset REDIS_URL, which it does not need, or name its engine in COMFYUI_URL."
        )
        found.append(
            Error(
                "DATABASE_URL and REDIS_URL are set, which means several machines, but COMFYUI_URL is not: each "
                "machine would look for an engine of its own at 127.0.0.1.",
                hint=hint,
                id="stylestudio.E007",
            )
        )
    if not settings.SECRET_KEY_IS_GIVEN:
        hint = (
            "Set STYLESTUDIO_SECRET_KEY to the same value on every machine. With what is in "
            f"{settings.DATA / 'secret_key'} of the machine that people used until now they stay signed in. If this "
            "studio is on one machine only, unset REDIS_URL, which it does not need, or set the key to that."
        )
        found.append(
            Error(
                "DATABASE_URL and REDIS_URL are set, which means several machines, but STYLESTUDIO_SECRET_KEY is not: "
                "each machine would make a key of its own, and people would be signed out when another one answers.",
                hint=hint,
                id="stylestudio.E008",
            )
        )
    return found


@register(TAG)
def proxies_are_for_a_public_address(**kwargs: Any) -> list[CheckMessage]:
    """Behind a proxy people use an address that only STYLESTUDIO_PUBLIC_URL can provide."""
    if settings.PUBLIC_URL or not settings.PROXIES:
        return []
    hint = "Set STYLESTUDIO_PUBLIC_URL to the address people type, or unset STYLESTUDIO_PROXIES."
    return [Warning("STYLESTUDIO_PROXIES is set, but no public address.", hint=hint, id="stylestudio.W002")]


@register(TAG, deploy=True)
def a_public_address_is_set(**kwargs: Any) -> list[CheckMessage]:
    """Behind a proxy, cookies and origins depend on the public address."""
    if settings.PUBLIC_URL:
        return []
    return [
        Warning("STYLESTUDIO_PUBLIC_URL is not set.", hint="Set it to the address people type.", id="stylestudio.W001")
    ]


def _is_callable(url: str) -> bool:
    try:
        checked_url(url)
    except ValueError:
        return False
    return True
