"""What a snapshot says of the control picture and of how the picture to start from is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

Size: TypeAlias = tuple[int, int]
CANNY, LINES, DEPTH, POSE = KINDS = ("canny", "lines", "depth", "pose")
AUTO, KEEP, INVERT = GROUNDS = ("auto", "keep", "invert")  # what is done about dark lines on a light ground
LEAST_THRESHOLD, MOST_THRESHOLD = 0.01, 0.99
LOW, HIGH = 0.4, 0.8  # the usual thresholds of ComfyUI's node Canny
CUT, PAD, STRETCH = WAYS = ("cut", "pad", "stretch")
MIDDLE = 50  # percent
READABLE = (DEPTH, POSE)  # what engines can read from a picture
MOST_STRENGTH = 2.0
USUAL_STRENGTH = 0.8


@dataclass(frozen=True, slots=True)
class Fit:
    """What is done about another shape. Cut: what is outside goes, and of what stays the middle is as near to the focus
    (`x` and `y`, percent from the left and from the top) as there is room. Pad: all of it stays, with something around
    it. Stretch: all of it stays and fills the size, out of proportion.
    """

    way: str = CUT
    x: int = MIDDLE
    y: int = MIDDLE

    @property
    def is_usual(self) -> bool:
        """Whether it is cut in the middle, which engines do themselves."""
        return self.way == CUT and (self.x, self.y) == (MIDDLE, MIDDLE)

    def as_json(self) -> dict[str, Any]:
        """As a snapshot has it."""
        return {"way": self.way, "focus": [self.x, self.y]} if self.way == CUT else {"way": self.way}

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> Self:
        """What a snapshot says."""
        x, y = facts.get("focus", (MIDDLE, MIDDLE))
        return cls(facts["way"], x, y)


USUAL = Fit()


@dataclass(frozen=True, slots=True)
class Way:
    """How a control picture is made of a picture. Thresholds count for edges, `ground` for lines, and `is_read` for
    depth and pose: whether an engine reads them from it, or it is a picture of them already.
    """

    kind: str
    low: float = LOW
    high: float = HIGH
    ground: str = AUTO
    fit: Fit = USUAL
    is_read: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """How strictly the form is held, and from where to where of the steps (0 to 1)."""

    strength: float = USUAL_STRENGTH
    start: float = 0.0
    end: float = 1.0


@dataclass(frozen=True, slots=True)
class ControlFacts:
    """All that determines how a form is held. `source` and `picture` are the hashes of what the control picture was
    made of, and of it; `file` is the canonical name of the control model, `type` what such a model calls the kind.
    `reader` says by which recipe and files an engine read it.
    """

    way: Way
    hold: Hold
    source: str
    picture: str
    is_inverted: bool
    file: str
    type: str
    reader: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As a snapshot has it."""
        way, hold = self.way, self.hold
        thresholds = {"low": way.low, "high": way.high} if way.kind == CANNY else {}
        inverted = {"inverted": self.is_inverted} if way.kind == LINES else {}
        read = {"read": dict(self.reader)} if way.is_read else {}
        held = {"strength": hold.strength, "start": hold.start, "end": hold.end}
        pictures = {"source": self.source, "picture": self.picture, "fit": way.fit.as_json()}
        made = {"kind": way.kind, **thresholds, **inverted, **read}
        return {**made, **held, **pictures, "file": self.file, "type": self.type}

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> Self:
        """The facts of a snapshot."""
        ground = {True: INVERT, False: KEEP}.get(facts.get("inverted", ""), AUTO)
        usual = Way(facts["kind"])
        low, high = facts.get("low", usual.low), facts.get("high", usual.high)
        return cls(
            way=Way(facts["kind"], low, high, ground, Fit.read(facts["fit"]), "read" in facts),
            hold=Hold(facts["strength"], facts["start"], facts["end"]),
            source=facts["source"],
            picture=facts["picture"],
            is_inverted=facts.get("inverted", False),
            file=facts["file"],
            type=facts["type"],
            reader=facts.get("read", {}),
        )


def control_of(snapshot: Mapping[str, Any]) -> ControlFacts | None:
    """What a snapshot says of its control picture; None if it has none."""
    found = snapshot.get("control")
    return ControlFacts.read(found) if found else None


def fit_of(snapshot: Mapping[str, Any]) -> Fit:
    """How the picture to start from is fitted."""
    found = snapshot.get("fit")
    return Fit.read(found) if found else Fit()
