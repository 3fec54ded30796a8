"""How many tokens a text has for CLIP, the text encoder of SDXL."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Protocol

from stylestudio.text import grammar

LIMIT = 77  # tokens per chunk of CLIP, including start and end; trainers truncate or split the rest
MARKS = 2

_PIECES = re.compile(r"[^\W\d_]+|\d|[^\w\s]+|_+")
_WHOLE = 7  # letters up to which a word is mostly one token
_PART = 4  # letters per further token


@dataclass(frozen=True, slots=True)
class Tokens:
    """A token count, including the start and end marks. Not `exact` if it is only an estimate."""

    number: int
    exact: bool

    @property
    def too_many(self) -> bool:
        """Whether it is more than an encoder reads at a time."""
        return self.number > LIMIT


@dataclass(frozen=True, slots=True)
class Read:
    """A caption's token count for each reader."""

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
        """Whether it is more than one of them reads at a time."""
        return self.most.too_many


class _Tokenizer(Protocol):
    def encode(self, text: str) -> list[int]: ...


@cache
def tokenizer() -> _Tokenizer | None:
    """CLIP's tokenizer; None on machines for which its package has no wheel. Loading it takes a tenth of a second."""
    try:
        from instant_clip_tokenizer import Tokenizer
    except ImportError:
        return None
    made: _Tokenizer = Tokenizer()
    return made


@lru_cache(maxsize=16384)
def count(text: str) -> Tokens:
    """Count the tokens of `text` with CLIP's own vocabulary, or else estimate them from its words."""
    plain = unicodedata.normalize("NFC", text)
    real = tokenizer()
    if real is None:
        return Tokens(estimate(plain) + MARKS, exact=False)
    return Tokens(len(real.encode(plain)) + MARKS, exact=True)


@lru_cache(maxsize=16384)
def read(caption: str) -> Read:
    """The tokens of a caption, as a ComfyUI and as sd-scripts read it.

    ComfyUI removes weights and reads the text between them piece by piece. sd-scripts reads the whole text, after ftfy,
    which its requirements install and transformers 4 uses if present, has straightened curly quotes and narrowed wide
    letters; a ComfyUI has no ftfy (0.3.64 to 0.33.0).
    """
    # Its tables take 3 MB, which web process and worker would hold for a count that few ask for.
    import ftfy

    pieces = [count(words).number - MARKS for words, _weight in grammar.as_comfyui_reads(grammar.for_comfyui(caption))]
    cleaned = count(ftfy.fix_text(grammar.for_sd_scripts(caption)))
    return Read(Tokens(sum(pieces) + MARKS, cleaned.exact), cleaned)


def estimate(text: str) -> int:
    """The approximate number of tokens, without the start and end marks. Right within a tenth or so for English."""
    return sum(map(_weight, _PIECES.findall(text)))


def _weight(piece: str) -> int:
    if not piece.isascii():
        return len(piece) if piece[0].isalpha() and ord(piece[0]) < 0x2E80 else 2 * len(piece)
    if not piece.isalpha() or len(piece) <= _WHOLE:
        return 1
    return 1 + (len(piece) - _WHOLE + _PART - 1) // _PART
