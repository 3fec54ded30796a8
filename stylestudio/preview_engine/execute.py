"""Runs prompts, one at a time, in its own thread."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from stylestudio.preview_engine.nodes.node_class import Graph, NodeClass, Stage
from stylestudio.preview_engine.training import sketch_files

from .files import Files, OutsideFolder
from .manners import Manners
from .pace import Pace
from .painter.brief import Painter
from .painter.learned import Learned
from .queue import Item, PromptQueue
from .sockets import Sockets
from .troubles import NodeFailure, Troubles

logger = logging.getLogger(__name__)

PREVIEW_SIDE = 512
PREVIEW_QUALITY = 82
PREVIEW_METHODS = ("auto", "latent2rgb", "taesd")


class Interrupted(Exception):
    """The running prompt was asked to stop."""


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a node: outputs for other nodes, and what an output node shows."""

    outputs: tuple[Any, ...] = ()
    shown: dict[str, Any] | None = None


class Worker:
    """Takes prompts from the queue and reports on them to the sockets.

    Caches the results of the last prompt's nodes.
    """

    def __init__(
        self,
        queue: PromptQueue,
        sockets: Sockets,
        files: Files,
        troubles: Troubles,
        painter: Callable[[], Painter],
        nodes: Mapping[str, NodeClass],
        manners: Manners,
        step_seconds: float,
        training_step_seconds: float,
    ) -> None:
        self.queue = queue
        self.sockets = sockets
        self.files = files
        self.troubles = troubles
        self.nodes = nodes
        self.manners = manners
        self.step_seconds = step_seconds
        self.training_step_seconds = training_step_seconds
        self.cache: dict[str, Done] = {}
        self._learned: dict[str, Learned | None] = {}
        self._make_painter = painter
        self._thread = threading.Thread(target=self._work, name="preview-engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Wait at most `timeout` seconds; a node that draws for longer is abandoned."""
        self.queue.close()
        self._thread.join(timeout)

    def tell_status(self) -> None:
        self.sockets.send("status", {"status": {"exec_info": {"queue_remaining": self.queue.remaining()}}})

    def _work(self) -> None:
        painter: Painter | None = None
        while not self.queue.closed:
            item = self.queue.take()
            if item is not None:
                # Loaded with the first prompt: beside a real engine there is none, and all that can be drawn is large.
                painter = painter or self._make_painter()
                _Run(self, item, painter).go()
            if self.queue.take_free():
                self.cache = {}
                self._learned = {}

    def learned(self, name: str) -> Learned | None:
        """The contents of a LoRA trained here. As in ComfyUI, a file is not read again until memory is freed."""
        if name not in self._learned:
            try:
                path = self.files.lora(name)
            except OutsideFolder:
                path = None
            self._learned[name] = sketch_files.read(path) if path else None
        return self._learned[name]


class _Run:
    """One prompt while it is executed."""

    def __init__(self, worker: Worker, item: Item, painter: Painter) -> None:
        self._worker = worker
        self._item = item
        self._sid = item.client_id
        self._messages: list[tuple[str, dict[str, Any]]] = []
        self._progress: dict[str, dict[str, Any]] = {}
        self._shown: dict[str, dict[str, Any]] = {}
        self._done: dict[str, Done] = {}
        self._executed: list[str] = []
        self._node = ""
        self._step_began = 0.0
        self._pace = Pace(throttled=worker.manners.throttled)
        self._previews = _wants_previews(item, worker.manners)
        pnginfo = item.extra_data.get("extra_pnginfo")
        self._stage = Stage(
            worker.files, painter, item.graph, pnginfo, self._check, self._step, self._train, worker.learned
        )

    def go(self) -> None:
        worker = self._worker
        worker.sockets.running_client = self._sid
        worker.tell_status()
        worker.troubles.place("start", self._halted)
        self._tell_and_keep("execution_start")
        try:
            self._execute()
        except Interrupted:
            self._interrupted()
        except Exception as problem:  # noqa: BLE001 - whatever a node raises is the prompt's failure, not the engine's
            self._failed(problem)
        else:
            worker.troubles.place("success", self._halted)
            self._tell_and_keep("execution_success")
        self._end()

    def _execute(self) -> None:
        graph, worker = self._item.graph, self._worker
        keys = _cache_keys(graph, worker.files, worker.nodes)
        worker.cache = {key: worker.cache[key] for key in keys.values() if key in worker.cache}
        cached = {node_id: worker.cache[key] for node_id, key in keys.items() if key in worker.cache}
        self._done.update(cached)
        self._tell_and_keep("execution_cached", nodes=list(cached))
        for node_id in _order(graph, self._item.outputs, set(cached)):
            if node_id in cached:
                self._repeat(node_id, cached[node_id])
                continue
            done = self._run_node(node_id)
            self._done[node_id] = done
            self._executed.append(node_id)
            if key := keys.get(node_id):
                worker.cache[key] = done

    def _repeat(self, node_id: str, done: Done) -> None:
        """Report a cached output node's result again, but only to a client with an id."""
        if self._sid is not None:
            output = done.shown
            self._tell("executed", node=node_id, display_node=node_id, output=output)
            if output is not None:
                self._shown[node_id] = output
        self._set_progress(node_id, 1, 1, "finished")

    def _run_node(self, node_id: str) -> Done:
        worker, node = self._worker, self._item.graph[node_id]
        known = worker.nodes[node["class_type"]]
        self._node = node_id
        self._set_progress(node_id, 0.0, 1.0, "running")
        if self._sid is not None:
            worker.sockets.running_node = node_id
        self._tell("executing", node=node_id, display_node=node_id)
        self._check()
        worker.troubles.node(known.name, self._halted)
        self._check()
        self._step_began = time.monotonic()
        self._pace = Pace(throttled=worker.manners.throttled)
        inputs = {name: self._value(value) for name, value in node["inputs"].items()}
        given = known.run(self._stage, inputs)
        if not known.is_output:
            done = Done(outputs=given)
        else:
            done = Done(known.passes(self._stage, inputs, given) if known.passes else (), given)
            if given is not None:
                self._shown[node_id] = given
                self._tell("executed", node=node_id, display_node=node_id, output=given)
        last = self._progress[node_id]
        self._set_progress(node_id, last["max"], last["max"], "finished")
        return done

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return self._done[value[0]].outputs[value[1]]
        return value

    def _step(self, value: int, total: int, develop: Callable[[], Image.Image]) -> None:
        sockets, node_id = self._worker.sockets, self._node
        self._rest(self._worker.step_seconds)
        self._check()
        if not self._pace.tells(value, total, with_preview=self._previews):
            self._stepped(value)
            return
        jpeg = b""
        if self._previews and sockets.listening(self._sid):
            jpeg = _jpeg(develop())
        self._set_progress(node_id, value, total, "running")
        about = {name: entry for name, entry in self._progress[node_id].items() if name.endswith("_id")}
        with_metadata = sockets.knows_metadata(self._sid)
        if jpeg and with_metadata:
            self._send("preview", about, jpeg)
        self._send("progress", {"value": value, "max": total, "prompt_id": self._item.prompt_id, "node": node_id})
        if jpeg and not with_metadata:
            self._send("preview", about, jpeg)
        self._stepped(value)

    def _train(self, value: int, total: int, quiet: bool) -> None:
        self._rest(self._worker.training_step_seconds, quiet)
        if not quiet:
            self._check()
        if not quiet and self._pace.tells(value, total, with_preview=False):
            self._set_progress(self._node, value, total, "running")
            data = {"value": value, "max": total, "prompt_id": self._item.prompt_id, "node": self._node}
            self._send("progress", data)
        self._stepped(value, quiet)

    def _stepped(self, value: int, quiet: bool = False) -> None:
        """After every step troubles may strike, and an interrupt takes effect."""
        halted = self._ended if quiet else self._halted
        self._step_began = time.monotonic()
        if extra := self._worker.troubles.step(self._class_type(), value, halted):
            self._rest(extra, quiet)
        if halted():
            raise Interrupted

    def _rest(self, seconds: float, quiet: bool = False) -> None:
        """Make the step last at least `seconds`; an interrupt ends it early, unless `quiet`."""
        while (left := self._step_began + seconds - time.monotonic()) > 0:
            if not quiet:
                self._worker.queue.interrupted.wait(left)
                return
            time.sleep(min(left, 0.02))
            if self._ended():
                return

    def _ended(self) -> bool:
        """Whether the engine is stopping or was restarted, which also ends a node that ignores interrupts."""
        return self._worker.queue.closed or self._item.lost

    def _halted(self) -> bool:
        return self._worker.queue.interrupted.is_set()

    def _check(self) -> None:
        if self._halted():
            raise Interrupted

    def _interrupted(self) -> None:
        node = {"node_id": self._node, "node_type": self._class_type(), "executed": self._executed}
        # The only message about a prompt without a client that everybody receives.
        data = self._keep("execution_interrupted", node)
        self._send("execution_interrupted", data)

    def _failed(self, problem: Exception) -> None:
        known = isinstance(problem, NodeFailure)
        if not known:
            logger.info("Node %s of prompt %s failed", self._node, self._item.prompt_id, exc_info=problem)
        inputs = self._item.graph[self._node]["inputs"] if self._node else {}
        self._tell_and_keep(
            "execution_error",
            node_id=self._node,
            node_type=self._class_type(),
            executed=self._executed,
            exception_message=f"{problem}\n",
            exception_type=problem.exception_type if isinstance(problem, NodeFailure) else _full_name(problem),
            traceback=traceback.format_tb(problem.__traceback__),
            current_inputs={name: [_printable(value)] for name, value in inputs.items()},
            current_outputs=list(self._done),
        )

    def _class_type(self) -> str:
        return str(self._item.graph[self._node]["class_type"]) if self._node else ""

    def _end(self) -> None:
        worker, item = self._worker, self._item
        final = self._messages[-1][0] if self._messages else ""
        entry = {
            "outputs": self._shown,
            "status": {
                "status_str": "success" if final == "execution_success" else "error",
                "completed": final == "execution_success",
                "messages": [list(message) for message in self._messages],
            },
            "meta": {
                node_id: {"node_id": node_id, "display_node": node_id, "parent_node": None, "real_node_id": node_id}
                for node_id in self._shown
            },
        }
        worker.troubles.place("history", self._halted)
        worker.sockets.running_node = None
        if not worker.queue.done(item, entry):
            return
        worker.tell_status()
        worker.troubles.place("idle", self._halted)
        self._tell("executing", node=None)

    def _tell_and_keep(self, event: str, **data: Any) -> None:
        kept = self._keep(event, data)
        if self._sid is not None:
            self._send(event, kept)

    def _keep(self, event: str, data: dict[str, Any]) -> dict[str, Any]:
        kept = {"prompt_id": self._item.prompt_id, **data, "timestamp": int(time.time() * 1000)}
        self._messages.append((event, kept))
        return kept

    def _tell(self, event: str, **data: Any) -> None:
        """Send to the prompt's own client; nobody hears about prompts without one."""
        if self._sid is not None:
            self._send(event, {**data, "prompt_id": self._item.prompt_id})

    def _send(self, event: str, data: dict[str, Any], image: bytes = b"") -> None:
        if not self._item.lost:
            self._worker.sockets.send(event, data, self._sid, image)

    def _set_progress(self, node_id: str, value: float, most: float, state: str) -> None:
        self._progress[node_id] = {
            "value": value,
            "max": most,
            "state": state,
            "node_id": node_id,
            "prompt_id": self._item.prompt_id,
            "display_node_id": node_id,
            "parent_node_id": None,
            "real_node_id": node_id,
        }
        # Entries are replaced, never changed, so a shallow copy is safe in the other thread.
        self._send("progress_state", {"prompt_id": self._item.prompt_id, "nodes": dict(self._progress)})


def _wants_previews(item: Item, manners: Manners) -> bool:
    """Whether to send pictures during sampling.

    ComfyUI sends none unless a prompt requests them with a method it knows.
    """
    method = item.extra_data.get("preview_method")
    return method in PREVIEW_METHODS if manners.previews_on_request else method != "none"


def _cache_keys(graph: Graph, files: Files, nodes: Mapping[str, NodeClass]) -> dict[str, str]:
    """A key per node that captures what its result depends on: class, inputs and ancestors, never the node id.

    Nodes on a cycle or with a missing ancestor have no key.
    """
    keys: dict[str, str] = {}
    visiting: set[str] = set()

    def key(node_id: str) -> str:
        if node_id in keys:
            return keys[node_id]
        if node_id in visiting:
            raise KeyError(node_id)
        visiting.add(node_id)
        node = graph[node_id]
        known = nodes[node["class_type"]]
        inputs = {
            name: ["node", key(value[0]), value[1]] if isinstance(value, list) else value
            for name, value in node["inputs"].items()
        }
        mark = known.fingerprint(files, node["inputs"]) if known.fingerprint else ""
        told = json.dumps([known.name, inputs, mark], sort_keys=True)
        keys[node_id] = hashlib.sha256(told.encode()).hexdigest()
        visiting.discard(node_id)
        return keys[node_id]

    for node_id in graph:
        try:
            key(node_id)
        except (LookupError, TypeError, RecursionError):
            # Partly invalid graphs are accepted; the invalid parts never run and need no key.
            visiting.clear()
    return keys


def _order(graph: Graph, outputs: list[str], cached: set[str]) -> list[str]:
    """The nodes to visit, ancestors first, outputs as early as possible. Ancestors of a cached node are not visited."""
    order: dict[str, None] = {}

    def visit(node_id: str) -> None:
        if node_id in order:
            return
        if node_id not in cached:
            for value in graph[node_id]["inputs"].values():
                if isinstance(value, list) and value[0] not in cached:
                    visit(value[0])
        order[node_id] = None

    for node_id in outputs:
        visit(node_id)
    return list(order)


def _jpeg(image: Image.Image) -> bytes:
    image = image.convert("RGB")
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=PREVIEW_QUALITY)
    return buffer.getvalue()


def _full_name(problem: Exception) -> str:
    kind = type(problem)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _printable(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool)) else str(value)
