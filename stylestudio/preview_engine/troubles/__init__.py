"""Everything that can go wrong with an engine, on demand.

A trouble is added, strikes `times` times (None: until it is removed or released) and is over:

    engine.troubles.add(FailNode("KSampler", "RuntimeError", "boom"))
    hold = engine.troubles.add(Hold("KSampler"))
    await hold.reached()
    hold.release()

Scripts outside the process refer to it by its class name in snake case, through POST /preview/troubles of a scriptable
engine: {"trouble": "fail_node", "class_type": "KSampler"}.

Hooks: `node`, `step` and `place` in the worker thread, `request` and `response` around HTTP handlers, `frame` and
`delivered` around each socket frame, `begin` and `end` for what affects the engine as a whole.

Uses nothing of the engine but its frames. Begin with `trouble`; `registry` knows every kind.
"""

from __future__ import annotations

from stylestudio.preview_engine.troubles.answering import (
    Answer,
    CutAnswer,
    HoldAnswer,
    HoldRequest,
    HttpTrouble,
    LateHistory,
    LoseAnswer,
)
from stylestudio.preview_engine.troubles.registry import KINDS, Troubles, from_json
from stylestudio.preview_engine.troubles.sockets import (
    DropSockets,
    DuplicateFrames,
    ForeignFrames,
    FrameTrouble,
    LoseFrames,
    ReorderFrames,
    SilentSockets,
    WrongIds,
)
from stylestudio.preview_engine.troubles.trouble import Engine, Gate, Halted, NodeFailure, Trouble
from stylestudio.preview_engine.troubles.working import (
    CrashStep,
    DeadWorker,
    FailNode,
    FailStep,
    Hold,
    OutOfMemory,
    OutOfMemoryStep,
    Restart,
    SlowSteps,
)

__all__ = [
    "KINDS",
    "Answer",
    "CrashStep",
    "CutAnswer",
    "DeadWorker",
    "DropSockets",
    "DuplicateFrames",
    "Engine",
    "FailNode",
    "FailStep",
    "ForeignFrames",
    "FrameTrouble",
    "Gate",
    "Halted",
    "Hold",
    "HoldAnswer",
    "HoldRequest",
    "HttpTrouble",
    "LateHistory",
    "LoseAnswer",
    "LoseFrames",
    "NodeFailure",
    "OutOfMemory",
    "OutOfMemoryStep",
    "ReorderFrames",
    "Restart",
    "SilentSockets",
    "SlowSteps",
    "Trouble",
    "Troubles",
    "WrongIds",
    "from_json",
]
