"""Which words may trigger a style: those its makers wrote down, and those its captions suggest.

The latter are only proposed. A frequent tag says what is often in the pictures, not what triggers the style.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from styles.lora.file.long_text import LongText
from styles.lora.file.values import LONG, MOST_JSON, parsed, text, whole
from styles.lora.metadata.tag_counts import Counts, read_counts
from stylestudio.text import grammar

# A tag in this share of the pictures is what they have in common.
SHARE = 0.65
MOST_TRIGGERS = 20
_MOST_TAGS = 10
_MOST_LENGTH = 100
_MOST_WORDS = 8  # of a tag; longer ones are captions

_FOLDER = re.compile(r"\d+_(.+)")
_DULL_FOLDERS = {"data", "dataset", "image", "images", "img", "imgs", "pics", "pictures", "set", "train"}
# What nearly everything is: the class of a training and no style's own name, in a folder of regularisation pictures or
# in one whose trigger words were forgotten.
_CLASSES = {
    "1boy", "1girl", "animal", "anime", "art", "background", "boy", "boys", "building", "cartoon", "character",
    "child", "clothes", "clothing", "concept", "creature", "drawing", "environment", "face", "female", "girl",
    "girls", "icon", "illustration", "landscape", "male", "man", "men", "object", "outfit", "painting", "people",
    "person", "photo", "photograph", "picture", "portrait", "style", "vehicle", "weapon", "woman", "women",
}  # fmt: skip
# What makers write when there are no trigger words.
_NOTHING = {
    "-", "n/a", "na", "none", "null", "nothing", "no trigger", "no triggers", "no trigger word",
    "no trigger words", "no trigger needed", "none needed", "not needed", "not required", "no need",
    "无", "無", "没有", "无需", "无触发词", "不需要", "无需触发词", "なし", "없음",
}  # fmt: skip
# What prompts of A1111 contain besides words: <lora:name:0.8>, <hypernet:…>.
_NETWORK = re.compile(r"<[a-z]+:[^<>]*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Words:
    """`told`: trigger words, the surest first, each once. `proposed`: candidates for a person to choose from.

    `left_out` are stated too, but too long or too many. Stated words are those the makers wrote down, and the name of a
    training folder if its captions contain it as well.
    """

    told: tuple[str, ...] = ()
    proposed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def trigger_words(
    metadata: Mapping[str, str], noted: Iterable[str] = (), long_texts: Mapping[str, LongText] | None = None
) -> Words:
    """Collect the words from the metadata and, as `noted`, from the files beside the LoRA."""
    long_texts = long_texts or {}
    frequency = read_counts(metadata.get("ss_tag_frequency"), long_texts.get("ss_tag_frequency"))
    sizes = training_folders(metadata)
    regular = regularisation(metadata)
    trained = {
        folder: tags for folder, tags in frequency.items() if folder not in regular and (not sizes or folder in sizes)
    }
    sure, likely = _named(trained, sizes, _class_words(metadata))
    every = _once([*_written(metadata), *noted, *sure])
    # A phrase is taken whole or not at all: half of one triggers nothing.
    told = tuple(phrase for phrase in every if len(phrase) <= _MOST_LENGTH)[:MOST_TRIGGERS]
    known = {word.casefold() for word in told}
    proposed = _once([*likely, *_common(trained, sizes)])[:MOST_TRIGGERS]
    return Words(
        told,
        tuple(word for word in proposed if word.casefold() not in known and len(word) <= _MOST_LENGTH),
        tuple(phrase for phrase in every if phrase not in told),
    )


def words(value: object) -> list[str]:
    """Phrases from a list, from a JSON list in a string, or separated by commas."""
    listed = parsed(value) if isinstance(value, str) and value.lstrip().startswith("[") else value
    if isinstance(listed, list):
        return [word for item in listed[: 5 * MOST_TRIGGERS] for word in _split(item)]
    return _split(value)


def training_folders(metadata: Mapping[str, str]) -> dict[str, int]:
    """The number of pictures in each training folder; empty if the file does not say.

    Regularisation folders are left out: sd-scripts counts their tags too, which are only the class.
    """
    regular = regularisation(metadata)
    folders = parsed(metadata.get("ss_dataset_dirs"), MOST_JSON)
    known = {
        str(folder): count
        for folder, about in (folders.items() if isinstance(folders, dict) else ())
        if isinstance(about, dict) and (count := whole(about.get("img_count")))
    }
    for subset in _subsets(metadata):
        if count := whole(subset.get("img_count")):
            known.setdefault(str(subset.get("image_dir")), count)
    return {folder: count for folder, count in known.items() if folder not in regular}


def regularisation(metadata: Mapping[str, str]) -> set[str]:
    """The folders of regularisation pictures, as far as the file names them."""
    apart = parsed(metadata.get("ss_reg_dataset_dirs"))
    named = {str(subset.get("image_dir")) for subset in _subsets(metadata) if subset.get("is_reg") is True}
    return named | set(apart if isinstance(apart, dict) else ())


def _subsets(metadata: Mapping[str, str]) -> list[dict[str, Any]]:
    datasets = parsed(metadata.get("ss_datasets"), MOST_JSON)
    return [
        subset
        for dataset in (datasets if isinstance(datasets, list) else ())
        if isinstance(dataset, dict) and isinstance(dataset.get("subsets"), list)
        for subset in dataset["subsets"]
        if isinstance(subset, dict)
    ]


def _class_words(metadata: Mapping[str, str]) -> dict[str, str]:
    """The caption sd-scripts uses for pictures without one, per folder."""
    found = {}
    for subset in _subsets(metadata):
        if isinstance(subset.get("class_tokens"), str):
            found[str(subset.get("image_dir"))] = subset["class_tokens"]
    return found


def _named(frequency: Counts, sizes: Mapping[str, int], classes: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Names of folders: those that most of their captions contain, and the rest, including names of classes."""
    sure, likely = [], []
    names = {folder: classes.get(folder) or _after_number(folder) for folder in frequency}
    plains = {_plain(name) for name in names.values()}
    for folder, tags in frequency.items():
        name, plain = names[folder], _plain(names[folder])
        if not plain or plain in _DULL_FOLDERS:
            continue
        pictures = sizes.get(folder) or max(tags.values(), default=0)
        spelled = [tag for tag, count in tags.items() if _plain(tag) == plain and count >= SHARE * pictures]
        # A file may not say which folder is for regularisation: "woman" beside "zyx woman" is.
        is_class = plain in _CLASSES or any(grammar.contains(other, plain) for other in plains - {plain})
        if spelled and not is_class:
            sure.append(spelled[0])
        else:
            likely.append(name.replace("_", " "))
    return sure, likely


def _after_number(folder: str) -> str:
    numbered = _FOLDER.fullmatch(folder)
    return numbered[1] if numbered else ""


def _plain(words: str) -> str:
    return " ".join(words.replace("_", " ").casefold().split())


def _common(frequency: Counts, sizes: Mapping[str, int]) -> list[str]:
    """The tags in most pictures of all folders together, the most frequent first. A tag seen once is not common."""
    seen: Counter[str] = Counter()
    pictures = 0
    for folder, tags in frequency.items():
        seen.update(tags)
        pictures += sizes.get(folder) or max(tags.values(), default=0)
    least = max(2.0, SHARE * pictures)
    return [tag for tag, count in seen.most_common(_MOST_TAGS) if count >= least and len(tag.split()) <= _MOST_WORDS]


def _written(metadata: Mapping[str, str]) -> Iterator[str]:
    for key in ("modelspec.trigger_phrase", "trigger_phrase", "trainedWords", "TrainedWords"):
        yield from words(metadata.get(key))


def _once(phrases: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for phrase in phrases:
        word = text(phrase, 2 * _MOST_LENGTH)
        if word:
            found.setdefault(word.casefold(), word)
    return tuple(found.values())[: 5 * MOST_TRIGGERS]


def _split(value: object) -> list[str]:
    phrases = grammar.split(_NETWORK.sub("", text(value, LONG)))
    listed = [word for phrase in phrases for part in phrase.split(";") if (word := part.strip())]
    return [word for word in listed if word.casefold().rstrip(".") not in _NOTHING][: 5 * MOST_TRIGGERS]
