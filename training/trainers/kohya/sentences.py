"""Why sd-scripts failed, in words, for the kinds of failure that only it has."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

SENTENCES = {
    "no_base": _("The base checkpoint is not on the worker's machine. Put it there, or set SD_SCRIPTS_MODELS."),
    "no_package": _("The Python of sd-scripts lacks a package, which the log names. Install it there."),
    "no_gpu": _(
        "sd-scripts found no graphics card that it can use. Look at the driver and at PyTorch on that machine."
    ),
    "no_tokenizer": _("sd-scripts could not fetch a tokenizer. Let its machine reach huggingface.co once."),
    "no_file": _("sd-scripts could not find a file, which the log names."),
    "bad_options": _("This sd-scripts does not know an option that it was given. Update it; the log names the option."),
}
