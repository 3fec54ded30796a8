"""What a next version of ComfyUI may do to its node classes, one thing at a time."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

from hypothesis import strategies as st

Infos = dict[str, Any]


@st.composite
def changed(draw: st.DrawFn, infos: Infos, classes: Collection[str]) -> tuple[str, Infos]:
    """What was done in words, and the node classes after it: an output or input swapped, renamed, removed, added."""
    name = draw(st.sampled_from(sorted(classes)))
    after = copy.deepcopy(infos)
    done = draw(st.sampled_from((_an_output, _an_input)))(draw, after[name])
    return f"{name}: {done}", after


def _an_output(draw: st.DrawFn, info: Any) -> str:
    types, names = info["output"], info["output_name"]
    if not types:
        return "has no output"
    slot = draw(st.integers(0, len(types) - 1))
    what = draw(st.sampled_from(("swap", "rename", "retype", "remove", "add")))
    if what == "swap":
        other = draw(st.integers(0, len(types) - 1))
        for each in (types, names):
            each[slot], each[other] = each[other], each[slot]
    elif what == "rename":
        names[slot] = "renamed"
    elif what == "retype":
        types[slot] = "RETYPED"
    elif what == "remove":
        del types[slot], names[slot]
    else:
        types.insert(slot, draw(st.sampled_from((*types, "ADDED"))))
        names.insert(slot, "added")
    return f"{what} output {slot}"


def _an_input(draw: st.DrawFn, info: Any) -> str:
    kind = draw(st.sampled_from(sorted(info["input"])))
    group = info["input"][kind]
    name = draw(st.sampled_from(sorted(group)))
    what = draw(st.sampled_from(("swap", "rename", "remove", "move", "need", "default")))
    if what == "swap":
        other = draw(st.sampled_from(sorted(group)))
        group[name], group[other] = group[other], group[name]
    elif what == "rename":
        group["renamed"] = group.pop(name)
    elif what == "remove":
        del group[name]
    elif what == "move":
        target = "optional" if kind == "required" else "required"
        info["input"].setdefault(target, {})[name] = group.pop(name)
    elif what == "need":
        info["input"].setdefault("required", {})["added"] = ["ADDED", {}]
    else:
        info["input"].setdefault("required", {})["added"] = ["INT", {"default": 1, "min": 1}]
    return f"{what} input {name}"
