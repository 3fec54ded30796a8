"""What steps, what they ask for, and what became of a picture are called on pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from generation.derivations.steps import catalogue
from generation.recipes import registry

Words = str | Promise

STEPS: dict[str, tuple[Words, Words]] = {
    "trim": (_("Trim"), _("Cuts away what is clear around the picture.")),
    "pad": (_("Pad"), _("Puts it in the middle of a larger clear picture.")),
    "fit": (_("Size"), _("Plain resampling to this longer side. It adds no detail.")),
    "resize": (_("Resize"), _("Plain resampling by a factor. It adds no detail.")),
    "pixel_art": (_("Pixel art"), _("Enlarges by a whole factor. No new colour comes out, and nothing is blurred.")),
    "seamless": (_("Resize a tile"), _("Plain resampling that keeps a repeating picture seamless.")),
    "palette": (_("Fewer colours"), _("What is clear stays clear, and what is solid stays solid.")),
    "outline": (_("Outline"), _("A round line behind what shows. The picture grows by it.")),
    "shadow": (_("Shadow"), _("A soft shadow behind what shows. The picture grows as far as it reaches.")),
    "black_to_alpha": (_("Black to clear"), _("For effects that engines add to what is behind.")),
    "offset": (_("Offset by half"), _("Moves the seams of a tile into its middle, where they can be seen.")),
}
ASKS: dict[str, tuple[Words, Words]] = {
    "threshold": (_("Counts as clear up to"), _("0 keeps all soft edges; of 255.")),
    "margin": (_("Margin"), _("Clear pixels on each side.")),
    "to": (_("To"), ""),
    "side": (_("Longer side"), _("In pixels.")),
    "factor": (_("Factor"), ""),
    "kernel": (_("Sharpness"), ""),
    "by": (_("Corners"), ""),
    "colours": (_("At most so many colours"), _("Not counting how clear they are.")),
    "alphas": (_("Steps between clear and solid"), _("0 keeps all.")),
    "given": (_("Only these colours"), _("Such as #1a1c2c #5d275d. Empty: the best ones are found.")),
    "width": (_("Width"), _("In pixels.")),
    "colour": (_("Colour"), ""),
    "right": (_("To the right"), _("In pixels.")),
    "down": (_("Down"), _("In pixels.")),
    "blur": (_("Softness"), _("In pixels.")),
    "opacity": (_("Opacity"), _("In percent.")),
}
CHOICES: dict[str, Words] = {
    "square": _("Square"),
    "power": _("Powers of two"),
    "both": _("Square, power of two"),
    "lanczos": _("Sharp (Lanczos)"),
    "bicubic": _("Medium (bicubic)"),
    "bilinear": _("Soft (bilinear)"),
    "nearest": _("As squares"),
    "corners": _("Rounded (Scale2x, Scale3x)"),
}
REMARKS: dict[str, Words] = {
    "deep": _("The source has 16 bits a colour; this has 8."),
    "profile": _("The colour profile of the source is not for RGB, so the colours were converted to sRGB."),
    "cmyk": _("The source is CMYK; the colours were converted to sRGB."),
    "not_better": _("The seam shows no less than before. Try once more, or choose a picture with a calmer edge."),
    "nothing_cut": _("The engine found nothing to cut away: all of the picture counts as its subject."),
    "all_cut": _("The engine found no subject, so nothing of this shows."),
    "stretched": _(
        "The engine's model does not make pictures as large as that; the rest is plain resampling, without new detail."
    ),
    "reduced": _("The engine's model makes pictures larger than that; the result was resampled to this size."),
}


def title(step: str) -> str:
    """The name of a step, or of what an engine did: that of its recipe."""
    if step == "mend_seam":
        return str(_("Made seamless"))
    if step in registry.changers():
        return str(registry.changers()[step].title)
    return str(STEPS[step][0]) if step in STEPS else step


def choice(value: str) -> str:
    """A choice; a factor as it is said."""
    return str(CHOICES[value]) if value in CHOICES else f"{value}×"


def sentence(steps: Iterable[Mapping[str, Any]]) -> str:
    """Steps in one line, such as "Trim (8), Pad (Square)", or that nothing is done."""
    return ", ".join(_said(each) for each in steps) or str(pgettext_lazy("steps", "none"))


def _said(each: Mapping[str, Any]) -> str:
    step = catalogue.STEPS.get(str(each["step"]))
    asks = step.asks if step else ()
    # What is as usual says nothing, but for choices: they are what the step is for.
    told = [
        choice(str(each[ask.name])) if ask.choices else str(each[ask.name])
        for ask in asks
        if ask.name in each and ask.name != "kernel" and (ask.choices or each[ask.name] != ask.usual)
    ]
    return f"{title(str(each['step']))} ({', '.join(told)})" if told else title(str(each["step"]))
