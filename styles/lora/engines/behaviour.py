"""What an engine does with a LoRA, and how that differs from what was trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import IO, Any

from django.utils.translation import gettext, ngettext

from styles.lora.engines.loader import NEWEST, Reading, read_by_engines
from styles.lora.engines.respell import VERSION, Plan, respelled
from styles.lora.file.census import Census
from styles.lora.file.header import Header
from styles.lora.structure.alphas import read_scalar
from styles.lora.structure.keys import MODEL, Layer

MOST_NAMED = 3  # tensors named in a sentence


class Trait(StrEnum):
    """How pictures differ from what was trained."""

    # Measured with ComfyUI 0.33.0 and files of LyCORIS 4.1.3: at 0.5 a quarter of the change, at 1 all of it.
    SQUARED = "squared"
    RESCALED = "rescaled"  # 13 to 21 % off
    CONSTRAINED = "constrained"  # 5 to 14 % of the change
    MAGNITUDES = "magnitudes"  # of PEFT's DoRA
    BIASES = "biases"  # of PEFT's lora_bias
    UNCLEAR_ALPHA = "unclear-alpha"  # the settings give some alphas in a way we do not parse
    NO_ALPHA = "no-alpha"  # neither tensors nor settings give one


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What engines read of a file.

    Of its `tensors` ComfyUI reads `own` from the file itself, and `read` from the engines' copy, if there is one.
    `passed` names some of those it ignores, `halves` layers at which it would fail. Of the `modules`, `zero` have no
    effect because all their weights are zero; `zero_parts` are the parts of the model that consist only of such.
    `broken` names a tensor with NaN or infinity.
    """

    tensors: int = 0
    own: int = 0
    read: int = 0
    copied: bool = False
    passed: tuple[str, ...] = ()
    halves: tuple[str, ...] = ()
    modules: int = 0
    zero: int = 0
    zero_parts: tuple[str, ...] = ()
    broken: str = ""
    traits: tuple[str, ...] = ()
    table: str = NEWEST
    converter: int = VERSION

    def as_json(self) -> dict[str, Any]:
        """The form in which a version stores it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Behaviour:
        """Restore what this or another version of StyleStudio stored."""
        known: Any = {name: value for name, value in kept.items() if name in cls.__slots__}
        values: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
        return cls(**values)


def observe(
    header: Header, layers: Sequence[Layer], file: IO[bytes], plan: Plan | None, census: Census | None = None
) -> Behaviour:
    """What engines do with a file for SDXL, and with its planned copy. Reads only a few bytes of the tensors."""
    own = read_by_engines(header.tensors)
    reading = read_by_engines(respelled(header, plan)) if plan else own
    renamed = plan.names if plan else {}
    passed = [name for name in header.tensors if renamed.get(name, name) not in reading.read]
    zero = [layer for layer in layers if census and is_zero(layer, census)]
    return Behaviour(
        tensors=len(header.tensors),
        own=len(own.read),
        read=len(header.tensors) - len(passed),
        copied=plan is not None,
        passed=tuple(passed[:MOST_NAMED]),
        halves=reading.halves[:MOST_NAMED],
        modules=len(layers),
        zero=len(zero),
        zero_parts=_emptied(layers, zero),
        broken=census.broken if census else "",
        traits=tuple(_traits(header, layers, file, reading, plan)),
    )


def is_zero(layer: Layer, census: Census) -> bool:
    """Whether the layer changes nothing, because a factor of its change is zero throughout."""
    zero = {role for role, name in layer.names.items() if name in census.zeros}
    if "magnitude" in layer.parts:
        return False  # it scales the weight itself
    parts = layer.parts.keys()
    if parts & {"diff_b", "b_norm", "up_bias", "set_weight"}:
        return zero >= parts - {"alpha", "reshape_weight"}
    if "a1.weight" in parts:
        return bool(zero & {"a1.weight", "a2.weight"}) and bool(zero & {"b1.weight", "b2.weight"})
    if "alpha" in zero and layer.rank is not None:
        return True
    return bool(zero - {"alpha", "rescale", "reshape_weight", "on_input"})


def _emptied(layers: Sequence[Layer], zero: Sequence[Layer]) -> tuple[str, ...]:
    """The parts of the model in which every module is zero."""
    every = Counter(layer.component for layer in layers)
    nothing = Counter(layer.component for layer in zero)
    return tuple(sorted(part for part, count in nothing.items() if count == every[part]))


def _traits(
    header: Header, layers: Sequence[Layer], file: IO[bytes], reading: Reading, plan: Plan | None
) -> list[Trait]:
    found = dict.fromkeys(trait for layer in layers for trait in _traits_of(layer, header, file, plan))
    lacks = not any("alpha" in layer.parts for layer in layers) and any(layer.rank for layer in layers)
    if plan and plan.unclear:
        found[Trait.UNCLEAR_ALPHA] = None
    if plan and lacks and not plan.alphas and reading.read:
        found[Trait.NO_ALPHA] = None
    return list(found)


def _traits_of(layer: Layer, header: Header, file: IO[bytes], plan: Plan | None) -> list[Trait]:
    traits = []
    if blocks := layer.parts.get("oft_blocks"):
        traits.append(Trait.SQUARED)
        if "rescale" in layer.parts and len(blocks.shape) == 3:
            traits.append(Trait.RESCALED)
        alpha = layer.parts.get("alpha")
        if alpha and read_scalar(header, alpha, file):
            traits.append(Trait.CONSTRAINED)
    if plan and layer.names.get("magnitude", "") in plan.shapes:
        traits.append(Trait.MAGNITUDES)
    if "up_bias" in layer.parts:
        traits.append(Trait.BIASES)
    return traits


# Sentences


@dataclass(frozen=True, slots=True)
class Sentences:
    """Sentences about a file. `good` says how many tensors engines read, if they read all; `warnings` has the rest."""

    good: str = ""
    warnings: tuple[str, ...] = field(default_factory=tuple)


def behaviour_in_words(what: Behaviour) -> Sentences:
    """What engines do with a file, in the reader's language."""
    if not what.tensors:
        return Sentences()
    warnings = [
        *_unread(what),
        *_zeros(what),
        *(_TRAITS[Trait(trait)]() for trait in what.traits if trait in set(Trait)),
    ]
    good = "" if what.read < what.tensors else _all_read(what)
    return Sentences(good, tuple(warnings))


def refused(what: Behaviour) -> str | None:
    """Why no style can be made of a LoRA for SDXL; None if one can."""
    if what.broken:
        text = gettext("%(name)s holds NaN or infinity, which gives black pictures. The training went wrong.")
        return text % {"name": what.broken}
    if what.halves:
        text = gettext("Of %(name)s only one half is in this file, at which ComfyUI fails. Copy or download it again.")
        return text % {"name": what.halves[0]}
    if not what.read:
        text = ngettext(
            "ComfyUI reads none of the %(number)d tensor of this LoRA, so pictures would look as without it.",
            "ComfyUI reads none of the %(number)d tensors of this LoRA, so pictures would look as without it.",
            what.tensors,
        )
        return text % {"number": what.tensors}
    if what.zero and what.zero == what.modules:
        return gettext("All weights of this LoRA are zero, so pictures would look as without it.")
    return None


def original_in_words(what: Behaviour) -> str:
    """What engines do with the original file, if a copy would be read better."""
    if not what.own:
        text = ngettext(
            "ComfyUI reads none of the %(number)d tensor of this version, so its pictures look as without it.",
            "ComfyUI reads none of the %(number)d tensors of this version, so its pictures look as without it.",
            what.tensors,
        )
        return text % {"number": what.tensors}
    if what.own < what.tensors:
        text = ngettext(
            "ComfyUI reads %(own)d of the %(number)d tensor of this version, so its pictures show only a part of it.",
            "ComfyUI reads %(own)d of the %(number)d tensors of this version, so its pictures show only a part of it.",
            what.tensors,
        )
        return text % {"own": what.own, "number": what.tensors}
    return gettext(
        "ComfyUI does not know the alpha that this version was trained with, so it is too weak or too strong."
    )


def _all_read(what: Behaviour) -> str:
    counts = {"number": what.tensors}
    if what.copied and what.own < what.tensors:
        text = ngettext(
            "ComfyUI reads %(own)d of %(number)d tensor as it is spelled here. Engines get a copy that it reads.",
            "ComfyUI reads %(own)d of %(number)d tensors as they are spelled here. Engines get a copy that it reads.",
            what.tensors,
        )
        return text % (counts | {"own": what.own})
    return (
        ngettext("ComfyUI reads its %(number)d tensor.", "ComfyUI reads all %(number)d tensors.", what.tensors) % counts
    )


def _unread(what: Behaviour) -> list[str]:
    if what.read >= what.tensors:
        return []
    text = ngettext(
        "ComfyUI reads %(read)d of %(number)d tensor. It passes over %(names)s.",
        "ComfyUI reads %(read)d of %(number)d tensors. It passes over %(names)s.",
        what.tensors,
    )
    names = ", ".join(what.passed)
    if what.tensors - what.read > len(what.passed):
        more = what.tensors - what.read - len(what.passed)
        names = ngettext("%(names)s and %(more)d more", "%(names)s and %(more)d more", more) % {
            "names": names, "more": more
        }  # fmt: skip
    return [text % {"read": what.read, "number": what.tensors, "names": names}]


def _zeros(what: Behaviour) -> list[str]:
    if not what.zero:
        return []
    text = ngettext(
        "%(zero)d of its %(number)d module does nothing (%(percent)d %%): its weights are zero.",
        "%(zero)d of its %(number)d modules do nothing (%(percent)d %%): their weights are zero.",
        what.modules,
    )
    said = text % {"zero": what.zero, "number": what.modules, "percent": max(1, 100 * what.zero // what.modules)}
    emptied = [_part(part) for part in what.zero_parts]
    if emptied:
        said += " " + gettext("Not trained at all: %(parts)s.") % {"parts": ", ".join(emptied)}
    return [said]


def _part(component: str) -> str:
    parts = {MODEL: gettext("the U-Net"), "te1": gettext("text encoder 1"), "te2": gettext("text encoder 2")}
    return parts.get(component, component)


_TRAITS = {
    Trait.SQUARED: lambda: gettext(
        "ComfyUI applies the square of its strength: at 0.5 a quarter of the change, at 1 all."
    ),
    Trait.RESCALED: lambda: gettext("ComfyUI leaves out its rescaling, so pictures differ from what was trained."),
    Trait.CONSTRAINED: lambda: gettext(
        "ComfyUI applies only a small part of it (measured: 5 to 14 %), for it reads the constraint otherwise."
    ),
    Trait.MAGNITUDES: lambda: gettext(
        "It is a DoRA of PEFT. ComfyUI applies its magnitudes nearly as they were trained (measured: off by 1 to 10 %)."
    ),
    Trait.BIASES: lambda: gettext("ComfyUI leaves out the biases that were trained with it."),
    Trait.UNCLEAR_ALPHA: lambda: gettext(
        "The file tells alphas of some layers by expressions that are not read here. These may be too weak or strong."
    ),
    Trait.NO_ALPHA: lambda: gettext(
        "The file does not say its alpha. If it was trained with another one than its rank, adapt the strength."
    ),
}
