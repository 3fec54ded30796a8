"""How engines and trainers report that memory ran out, whatever they compute on.

One list for both. The patterns come from the sources of torch 2.14.1 and its builds for CUDA, ROCm, Metal and Intel,
torch-directml, IPEX, numpy, Rust and Windows, and from what people reported about ComfyUI.
"""

from __future__ import annotations

import re

_MOST_LINE = 2000  # characters of a line that are searched
_TYPES = ("OutOfMemoryError", "MemoryError")
_MEMORY = r"(?:(?:gpu|cuda|video|graphics|device|host|system|virtual|unified|free)[ -]){0,2}(?:memory|vram|ram)\b"
_AMOUNT = r"\d[\d.,]* ?(?:[kmgt]i?b|b|bytes?)\b"
_SAID = re.compile(
    "|".join(
        (
            # Preceded by CUDA, HIP, XPU, NPU or "MPS backend"; on its own from older drivers.
            rf"\bout[ -]of[ -]{_MEMORY}",
            r"allocation on device *(?:$|\d)",  # cudaMallocAsync; ComfyUI passes on its first line
            r"would exceed allowed memory",
            # torch's CPU allocator, torch-directml, Metal's "Insufficient Memory (IOAF code 8)", Windows' E_OUTOFMEMORY
            rf"\b(?:not enough|insufficient) {_MEMORY}",
            r"\b(?:can(?:no|')t|can ?not|could(?: not|n't)|unable to|failed to) (?:re)?allocate "
            rf"(?:memory\b(?! in static tls)|(?:\w+ ){{0,2}}(?:tensor|buffer|mtlbuffer)\b|{_AMOUNT})",
            r"\bmemory allocation (?:of [\w ]{1,30} )?failed\b",
            r"\bbad[_ ]alloc(?:ation)?\b",
            rf"\binvalid buffer size: {_AMOUNT}",  # Metal, above the largest buffer
            # torch_npu: the words and the code of Ascend's runtime
            r"\bfailed to apply for memory\b|\berror code(?: is|:)? 207001\b|_insufficient_host_memory\b",
            # cuDNN, if no algorithm fits into the memory left; also if cuDNN does not support the card.
            r"unable to find an engine to execute this computation",
            # torch's own bookkeeping when a card is full: NVML is missing (MIG, Jetson, containers), or Windows lent
            # RAM.
            r"\bnvml_success == r internal assert failed|\bpytorch_used_bytes\[\w+\] <= device_total",
            # Codes: cuBLAS, cuDNN, hipBLAS, MIOpen, CUDA, HIP, Level Zero, SYCL, OpenCL, Metal
            r"_alloc(?:ation)?_fail(?:ed|ure)\b",
            r"statusallocfailed\b",
            r"error_?memory_?allocation\b",
            r"out_?of_?(?:(?:host|device|pool)_?)?memory\b",
            r"out_?of_?memory_?error\b",
            r"\b(?:ur_result_error|pi_error|ze_result_error|cl|hsa_status_error)_out_of_resources\b",
            r"\brocblas_status_memory_error\b",
            r"\b8007000e\b",
            # Windows in any language: no system resources left, the page file is too small, not enough storage.
            r"\b(?:os error|winerror|error(?: code)?) 14(?:50|55)\b",
            r"\bwinerror (?:8|14)\b",
            r"\bpaging file is too small\b",
            r"\berrno 12\b",  # ENOMEM
            r"^[\w.]*memoryerror\b(?::|$)",  # a traceback's last line
        )
    ),
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[.!?;:]\s")
_SUPPOSED = re.compile(r"\b(?:likely|possibly|probably|perhaps|maybe)\b", re.IGNORECASE)
_CLAUSE = re.compile(r"[.!?;:]\s|[,(\[]|\b(?:because|since|but|due to|caused by)\b", re.IGNORECASE)
# What precedes the words in the same clause if they are advice, a possibility or a denial.
_NOT_SO = re.compile(
    r"\b(?:if|unless|in case|avoid\w*|prevent\w*|may|might|can|could|would|will|risk\w*|not|never|without)\b"
    r"|\bwhen(?:ever)? (?:you|it|they|we|(?:the|your) \w+)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"(?<!\()[\"'`]$")
# What follows the words if they are part of a file name, a mere topic, or if the work went on in another way.
_PASSED = re.compile(
    r"[\w -]{0,40}\.(?:png|jpe?g|webp|safetensors|sft|ckpt|pth?|txt|json|py)\b"
    r"|[- ](?:errors|issues|problems|situations|conditions|handling|handler|killer|detection|protection)\b"
    r"|[^.!?;]*\b(?:retrying|trying again|falling back|fell back|switch(?:ed|ing) to|offloading|unloading)\b",
    re.IGNORECASE,
)
# The machine's own memory, if the message says so.
_OF_THE_MACHINE = re.compile(
    r"cpuallocator|alloc_cpu|\bpaging file\b|\berror 14(?:50|55)\b|\bwinerror (?:8|14|1450|1455)\b|\berrno 12\b"
    r"|\bbad[_ ]alloc"
    r"|cannot allocate memory|_host_memory|rts?mallochost|\bfor an array with\b|(?<!outof)memoryerror\b",
    re.IGNORECASE,
)


def says_memory_ran_out(text: str, exception_type: str = "") -> bool:
    """Whether an error says that the memory of a card or of the machine ran out.

    `exception_type` is the class of the error, if known. Sentences that merely mention memory (advice, file names, an
    illegal access, a step that was done in another way) do not count.
    """
    return exception_type.endswith(_TYPES) or any(_is_said(line[:_MOST_LINE]) for line in text.splitlines())


def _is_said(line: str) -> bool:
    return any(_is_meant(line, match) for match in _SAID.finditer(line))


def _is_meant(line: str, match: re.Match[str]) -> bool:
    before = line[: match.start()]
    value = bool(_QUOTED.search(before)) and line[match.end() : match.end() + 1] == before[-1]
    unsure = _SUPPOSED.search(_SENTENCE.split(before)[-1]) or _NOT_SO.search(_CLAUSE.split(before)[-1])
    return not (value or unsure or _PASSED.match(line, match.end()))


def is_of_the_machine(text: str) -> bool:
    """Whether an out-of-memory error is about the machine's RAM rather than a card."""
    return bool(_OF_THE_MACHINE.search(text))
