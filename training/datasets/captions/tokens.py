"""How many tokens a text has for CLIP, the text encoder of SDXL."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Protocol

import ftfy

from stylestudio.text import grammar

LIMIT = 77  # tokens that CLIP reads at a time, the marks of begin and end included; trainers cut the rest or split it
MARKS = 2

_PIECES = re.compile(r"[^\W\d_]+|\d|[^\w\s]+|_+")
_WHOLE = 7  # letters up to which a word is mostly one token
_PART = 4  # letters per further token


@dataclass(frozen=True, slots=True)
class Tokens:
    """How many, the marks of begin and end included. Not `exact` where only an estimate is at hand."""

    number: int
    exact: bool

    @property
    def too_many(self) -> bool:
        """Whether an encoder does not read all of them at a time."""
        return self.number > LIMIT


@dataclass(frozen=True, slots=True)
class Read:
    """How many tokens a caption has for each reader."""

    comfyui: Tokens
    sd_scripts: Tokens

    @property
    def differ(self) -> bool:
        """Whether the readers count differently."""
        return self.comfyui != self.sd_scripts

    @property
    def most(self) -> Tokens:
        """The larger count."""
        return max(self.comfyui, self.sd_scripts, key=lambda tokens: tokens.number)

    @property
    def too_many(self) -> bool:
        """Whether one of them does not read all of it at a time."""
        return self.most.too_many


class _Tokenizer(Protocol):
    def encode(self, text: str) -> list[int]: ...


@cache
def tokenizer() -> _Tokenizer | None:
    """The real one; None on machines for which its package has no wheel. Loading takes a tenth of a second."""
    try:
        from instant_clip_tokenizer import Tokenizer
    except ImportError:
        return None
    made: _Tokenizer = Tokenizer()
    return made


@lru_cache(maxsize=16384)
def count(text: str) -> Tokens:
    """The tokens of `text`, by CLIP's own vocabulary or else as an estimate from its words."""
    plain = unicodedata.normalize("NFC", text)
    real = tokenizer()
    if real is None:
        return Tokens(estimate(plain) + MARKS, exact=False)
    return Tokens(len(real.encode(plain)) + MARKS, exact=True)


@lru_cache(maxsize=16384)
def read(caption: str) -> Read:
    """The tokens of a caption, as a ComfyUI and as sd-scripts read it.

    ComfyUI takes weights out and reads what lies between them piece by piece. sd-scripts reads the words whole, after
    ftfy, which its requirements install and transformers 4 uses where it is there, made curly quotes straight and wide
    letters narrow; a ComfyUI has no ftfy (0.3.64 to 0.33.0).
    """
    pieces = [count(words).number - MARKS for words, _weight in grammar.as_comfyui_reads(grammar.for_comfyui(caption))]
    cleaned = count(ftfy.fix_text(grammar.for_sd_scripts(caption)))
    return Read(Tokens(sum(pieces) + MARKS, cleaned.exact), cleaned)


def estimate(text: str) -> int:
    """About how many tokens, without the marks of begin and end. Right within a tenth or so for English."""
    return sum(map(_weight, _PIECES.findall(text)))


def _weight(piece: str) -> int:
    if not piece.isascii():
        return len(piece) if piece[0].isalpha() and ord(piece[0]) < 0x2E80 else 2 * len(piece)
    if not piece.isalpha() or len(piece) <= _WHOLE:
        return 1
    return 1 + (len(piece) - _WHOLE + _PART - 1) // _PART
