"""Everything that can go wrong with an engine, as one hierarchy.

ComfyError                 str() is one plain sentence for users; .detail is for operators and may hold everything
  EngineUnreachable        refused, no such host, or gone and not back within patience
    NotConnected           it cannot have seen the request
      NotTrusted           its certificate is not accepted
      SignInNeeded         something in front of it asks for a sign-in; a BadResponse too
    UploadBroken           the connection broke during an upload: .name
  EngineTimeout            one request took too long
  BadResponse              it answers, but not as ComfyUI does
    Refused                with a status of 400 or more: .status, .body
      EngineErred          it has an error of its own or is overloaded: a retry may succeed
    EmptyFile              a file without content
  NotFound                 it has no such file, folder or node class
  NotInstalled             a LoRA could not be installed on it: .name
  GraphInvalid             it does not accept the graph: .node_errors, .lack, .left_behind
    MissingFile            a checkpoint, LoRA or input picture is missing: .folder, .name
  ExecutionFailed          a node raised: .node_id, .node_type, .exception_type
    OutOfMemory
  PromptInterrupted        somebody stopped it while it ran
  PromptLost               the engine knows the prompt neither as done nor as waiting: restarted, or deleted there
    NotTaken               it never had it: the request broke off before
  FateUnknown              the engine may have the prompt and does not say what became of it
  NotFetched               it made the file, but the download was not complete: .reason, .damaged
  PromptStalled            the engine shows no progress
    QueueStuck             it does not even start: its worker is dead
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stylestudio.comfy.file_names import canonical
from stylestudio.comfy.lack import Lack
from stylestudio.comfy.memory import says_memory_ran_out
from stylestudio.text import plain
from stylestudio.text.concealed import conceal

# The folder of the engine's models from which an input takes its file.
FILE_INPUTS = {
    "ckpt_name": "checkpoints",
    "lora_name": "loras",
    "vae_name": "vae",
    "control_net_name": "controlnet",
    "unet_name": "diffusion_models",
    "clip_name": "text_encoders",
    "clip_name1": "text_encoders",
    "clip_name2": "text_encoders",
    "clip_name3": "text_encoders",
    "clip_name4": "text_encoders",
    "bg_removal_name": "background_removal",
}
# The same for inputs whose name says nothing, because several classes have it for files of different folders.
_OF_CLASSES = {
    ("UpscaleModelLoader", "model_name"): "upscale_models",
    ("LoadDA3Model", "model_name"): "geometry_estimation",
    ("LoadMoGeModel", "model_name"): "geometry_estimation",
}

# Beside 5xx: the server waited too long for the request, wants it again, or has too many.
_PASSING = (408, 425, 429)

_FOLDER_WORDS = {
    "checkpoints": "checkpoint",
    "loras": "LoRA",
    "input": "input picture",
    "vae": "VAE",
    "diffusion_models": "diffusion model",
    "text_encoders": "text encoder",
    "background_removal": "background removal model",
    "upscale_models": "upscale model",
    "geometry_estimation": "depth model",
}
_PATH = re.compile(r"""(?:[A-Za-z]:[\\/]|\\\\|(?<![\w.])/)[^\s'"<>|]*?([^\\/\s'"<>|]*)(?=[\s'"<>|,;:)\]]|$)""")


def folder_of_input(class_type: str, name: str) -> str:
    """The folder of the engine's models from which an input of a node class takes its file; "" if it takes none."""
    return FILE_INPUTS.get(name) or _OF_CLASSES.get((class_type, name), "")


class ComfyError(Exception):
    """An engine did not do what it was asked to.

    Neither text contains secrets or characters that cannot be stored, whatever the engine wrote.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(conceal(plain.storable(message)))
        self.detail = conceal(plain.storable(detail or message))


class EngineUnreachable(ComfyError):
    """Nothing answers at the engine's address."""


class NotConnected(EngineUnreachable):
    """No connection was established, so the engine cannot have seen the request."""


class NotTrusted(NotConnected):
    """Something answers, but its certificate is not accepted."""


class UploadBroken(EngineUnreachable):
    """The connection ended or stalled while a LoRA was being sent. The cause may be the engine or a proxy."""

    def __init__(self, name: str, message: str, detail: str = "") -> None:
        super().__init__(message, detail)
        self.name = name


class EngineTimeout(ComfyError):
    """One request took longer than the client waits. The engine may still have acted on it."""


class BadResponse(ComfyError):
    """The answer is not ComfyUI's."""


class SignInNeeded(NotConnected, BadResponse):
    """Something in front of the engine rejected the request: it wants a user and password, or a token."""


class Refused(BadResponse):
    """An answer with a status of 400 or more. `body` is its JSON, or None if it is something else."""

    def __init__(self, message: str, detail: str, status: int, body: object) -> None:
        super().__init__(message, detail)
        self.status = status
        self.body = body


class EngineErred(Refused):
    """The engine, or a proxy in front of it, has an error of its own or is overloaded. A retry may succeed."""


def may_pass(status: int) -> bool:
    """Whether an HTTP status means a problem of the server that may be over at the next try."""
    return status >= 500 or status in _PASSING


class EmptyFile(BadResponse):
    """The engine returned a file without content."""


class NotFound(ComfyError):
    """The engine does not have what was requested."""


class NotInstalled(ComfyError):
    """A LoRA could not be installed on the engine, and another try would end the same way."""

    def __init__(self, name: str, message: str, detail: str = "") -> None:
        super().__init__(message, detail)
        self.name = name


@dataclass(frozen=True, slots=True)
class NodeError:
    """One reason why the engine rejects one node. `message` and `details` are the engine's own words."""

    node_id: str
    class_type: str
    type: str
    input_name: str | None
    message: str
    received: object = None
    details: str = ""


class GraphInvalid(ComfyError):
    """The engine does not accept the graph; nothing of it is queued.

    `lack`: what prevents wiring it, if that was found before it was posted. `left_behind`: the engine had started part
    of it and could not be told to stop, so this has to be done later.
    """

    left_behind = False

    def __init__(
        self, message: str, detail: str = "", node_errors: tuple[NodeError, ...] = (), lack: Lack | None = None
    ) -> None:
        super().__init__(message, detail)
        self.node_errors = node_errors
        self.lack = lack


def lacking(lack: Lack) -> GraphInvalid:
    """The error for a graph that cannot be wired."""
    # Only values set in the graph can be set differently.
    name = lack.name if lack.kind in ("need", "choice", "range") else None
    kind = {"class": "unknown_class", "need": "required_input_missing"}.get(lack.kind, f"lacks_{lack.kind}")
    reason = NodeError(lack.node_id, lack.class_type, kind, name, lack.words)
    return GraphInvalid(lack.words, node_errors=(reason,), lack=lack)


class MissingFile(GraphInvalid):
    """The graph names a file that the engine does not have. `name` is canonical, however the graph spells it."""

    def __init__(self, folder: str, name: str, detail: str = "", node_errors: tuple[NodeError, ...] = ()) -> None:
        name = canonical(name)
        super().__init__(
            f"The engine does not have the {_FOLDER_WORDS.get(folder, folder)} {name}.", detail, node_errors
        )
        self.folder = folder
        self.name = name


class ExecutionFailed(ComfyError):
    """A node raised while the prompt ran."""

    def __init__(self, message: str, detail: str, *, node_id: str | None, node_type: str, exception_type: str) -> None:
        super().__init__(message, detail)
        self.node_id = node_id
        self.node_type = node_type
        self.exception_type = exception_type


class OutOfMemory(ExecutionFailed):
    """The engine ran out of memory."""


class PromptInterrupted(ComfyError):
    """The prompt was stopped while it ran."""


class PromptLost(ComfyError):
    """The engine no longer knows the prompt. It may be posted again under a new id."""


class NotTaken(PromptLost):
    """The engine never had the prompt: the connection broke before it was completely sent."""


class FateUnknown(ComfyError):
    """The engine may have the prompt. It answers, but does not say what became of it."""


class NotFetched(ComfyError):
    """The engine made a file that did not arrive complete. It can be fetched again without making it again.

    `reason` is the error of the last try, or None if a file arrived. `damaged`: it was empty or truncated.
    """

    def __init__(self, message: str, detail: str = "", reason: ComfyError | None = None, *, damaged: bool) -> None:
        super().__init__(message, detail)
        self.reason = reason
        self.damaged = damaged


class PromptStalled(ComfyError):
    """The engine holds the prompt but shows no progress."""


def without_paths(text: str, longest: int = 300) -> str:
    """The first line of an engine's message, without the folders of its machine, in at most `longest` characters."""
    line = text.strip().split("\n", 1)[0][: 10 * longest]
    cleaned = _PATH.sub(r"\1", line)
    return cleaned if len(cleaned) <= longest else cleaned[: longest - 1] + "…"


def execution_error(node_id: str | None, node_type: str, exception_type: str, message: str) -> ExecutionFailed:
    """The typed error for an exception raised by a node."""
    detail = f"{node_type} (node {node_id}): {exception_type}: {message}"
    if says_memory_ran_out(message, exception_type):
        return OutOfMemory(
            f"The engine ran out of memory in {node_type}. Use a smaller size or free memory on the engine.",
            detail,
            node_id=node_id,
            node_type=node_type,
            exception_type=exception_type,
        )
    reason = without_paths(message) or exception_type
    return ExecutionFailed(
        f"The engine failed in {node_type}: {reason}",
        detail,
        node_id=node_id,
        node_type=node_type,
        exception_type=exception_type,
    )


class QueueStuck(PromptStalled):
    """The engine accepts prompts but runs none. Only restarting it helps."""
