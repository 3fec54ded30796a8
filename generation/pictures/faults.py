"""Why a task failed, in words people can act on. Rows store the kind; the sentence is made in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from stylestudio.comfy import errors
from stylestudio.comfy.memory import is_of_the_machine


@dataclass(frozen=True, slots=True)
class Fault:
    """What happened, and what to do about it."""

    sentence: str | Promise
    remedy: str | Promise


FAULTS: dict[str, Fault] = {
    "invalid": Fault(_("The engine refused these settings."), _("Press Edit and retry to change them.")),
    "unwired": Fault(
        _("The nodes of this engine's ComfyUI do not fit the studio's workflow."),
        _("Update ComfyUI there, or StyleStudio, then press Retry."),
    ),
    "recipe_gone": Fault(
        _("The version of the recipe that these pictures are made by is not in the database any more."),
        _("Reuse their settings with another recipe."),
    ),
    "missing_file": Fault(
        _("The engine says that it does not have a file that these pictures need."),
        _("Put the file on the engine, or choose another style or recipe, then press Retry."),
    ),
    "not_installed": Fault(
        _("A style's file could not be put on the engine."),
        _("Copy the file into models/loras there, or set COMFYUI_LORA_DIR, then press Retry."),
    ),
    "strange": Fault(
        _("The engine refused these pictures over a file that they do not need."),
        _("Look at the engine and the nodes that are installed there, then press Retry."),
    ),
    "out_of_memory": Fault(_("The engine ran out of GPU memory."), _("Smaller pictures need less of it.")),
    "execution": Fault(
        _("The engine failed while making a picture."), _("Press Retry. If it happens again, look at Details.")
    ),
    "interrupted": Fault(_("Somebody stopped this on the engine itself."), _("Press Retry to make what is missing.")),
    "lost": Fault(
        _("The engine restarted or forgot this job, three times in a row."), _("Check the engine, then press Retry.")
    ),
    "unreachable": Fault(
        _("The engine could not be reached, three times in a row."), _("Check the engine, then press Retry.")
    ),
    "engine_error": Fault(
        _("The engine answers, but had an error each time."), _("Look at the engine and its log, then press Retry.")
    ),
    "broken_off": Fault(
        _("The engine answers, but the connection to it broke off again and again."),
        _("Check the network and any proxy before the engine, then press Retry."),
    ),
    "unfetched": Fault(
        _("The engine made the picture, but did not hand it over."),
        _("Press Fetch again to ask for it once more, without making it anew."),
    ),
    "untold": Fault(
        _("The engine answers, but does not say what became of the picture."),
        _("Press Fetch again to ask once more, or Retry to make it anew."),
    ),
    "gone": Fault(_("The engine does not have this picture any more."), _("Press Retry to make it anew.")),
    "not_made": Fault(
        _("What the engine had was fetched. The other pictures of this job were never made."),
        _("Press Retry to make them."),
    ),
    "stalled": Fault(
        _("The engine made no progress for a long time, so it was stopped."), _("Check the engine, then press Retry.")
    ),
    "bad_response": Fault(
        _("What answers at the engine's address is not ComfyUI, or it is broken."),
        _("Check the address, then press Retry."),
    ),
    "bad_picture": Fault(
        _("The engine sent a file that is not a whole picture."),
        _("Press Fetch again to ask for it once more, or Retry to make it anew."),
    ),
    "no_picture": Fault(_("The engine finished without a picture."), _("Press Retry to make it again.")),
    "source_gone": Fault(
        _("The picture that this edits was deleted for good, or its file is missing or another one."),
        _("Nothing was stored. Edit another picture."),
    ),
    "storage": Fault(
        _("A picture could not be saved on the studio's disk."),
        _("Make room on the disk or check its permissions. Then press Fetch again where it is offered, else Retry."),
    ),
    "internal": Fault(
        _("Something went wrong inside StyleStudio."), _("Press Retry. The log holds what a developer needs.")
    ),
}

_KINDS: tuple[tuple[type[errors.ComfyError], str], ...] = (
    (errors.MissingFile, "missing_file"),
    (errors.NotInstalled, "not_installed"),
    (errors.GraphInvalid, "invalid"),
    (errors.OutOfMemory, "out_of_memory"),
    (errors.ExecutionFailed, "execution"),
    (errors.PromptInterrupted, "interrupted"),
    (errors.NotTaken, "broken_off"),
    (errors.PromptLost, "lost"),
    (errors.FateUnknown, "untold"),
    (errors.PromptStalled, "stalled"),
    (errors.EmptyFile, "bad_picture"),
    (errors.EngineErred, "engine_error"),
    (errors.BadResponse, "bad_response"),  # before the next: SignInNeeded is both
    (errors.EngineUnreachable, "unreachable"),
    (errors.EngineTimeout, "unreachable"),
    (errors.NotFound, "bad_response"),
)


def kind_of(error: errors.ComfyError, *, answered: bool = False) -> str:
    """The key in FAULTS of an engine error. `answered`: the engine is up, although a connection to it broke off."""
    if isinstance(error, errors.NotFetched):
        return "bad_picture" if error.damaged else "unfetched"
    if isinstance(error, errors.GraphInvalid) and error.lack and error.lack.kind not in ("choice", "range"):
        return "unwired"
    broken = isinstance(error, errors.EngineUnreachable | errors.EngineTimeout)
    if answered and broken and not isinstance(error, errors.BadResponse):
        return "broken_off"
    return next((kind for type_, kind in _KINDS if isinstance(error, type_)), "internal")


# Which field of the form a node's input comes from.
_FIELDS = {
    "width": "shape", "height": "shape", "text": "prompt", "seed": "seed", "noise_seed": "seed", "steps": "steps",
    "cfg": "cfg", "denoise": "denoise", "shift": "shift", "ckpt_name": "style", "unet_name": "recipe",
    "clip_name": "recipe", "vae_name": "recipe", "lora_name": "style", "strength_model": "style",
    "strength_clip": "style", "image": "reference",
}  # fmt: skip


def field_of(error: errors.GraphInvalid) -> str:
    """The form field that the engine's first complaint is about; "" if the person did not choose that value."""
    inputs = (node.input_name for node in error.node_errors)
    return next((_FIELDS[name] for name in inputs if name in _FIELDS), "")


_NO_RAM = Fault(
    _("The engine's machine ran out of memory."),
    _("Smaller pictures need less of it. Close other programs there, or enlarge its swap or page file."),
)


def fault(kind: str, detail: str = "") -> Fault:
    """The words for a stored kind; rows of older versions may hold unknown ones. `detail` is the engine's message."""
    if kind == "out_of_memory" and is_of_the_machine(detail):
        return _NO_RAM
    return FAULTS.get(kind, FAULTS["internal"])
