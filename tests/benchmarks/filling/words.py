"""The words of prompts: some in many, some in few, a third of them Chinese."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator, Sequence

LATIN = """
a red house dragon knight silver river garden old lantern quiet harbour winter forest golden crown small potion iron
sword mossy stone tower glass bottle paper boat wolf moon castle market street icon button frame banner
"""
CHINESE = "红色 房子 龙 骑士 银色 河流 花园 灯笼 港口 冬天 森林 金色 王冠 药水 铁剑 石头 高塔 纸船 月亮 城堡 市场 图标"
SOME = ("basilisk", "凤凰")  # words of one prompt in 100, of more where few prompts would not fill a page
RARE = ("obsidian", "麒麟")  # words of one task in 5,000, of more where few tasks would not fill a page


def vocabulary(dice: random.Random, number: int) -> list[str]:
    """So many prompts, a third of them Chinese; "dragon" and 龙 stand in about one of ten."""
    latin, chinese = LATIN.split(), CHINESE.split()
    made = []
    for each in range(number):
        words, joint = (chinese, "") if each % 3 == 0 else (latin, " ")
        made.append(joint.join(dice.choices(words, k=dice.randint(4, 12))) + f"{joint}{each}")
    for word, first in zip(SOME, (1, 51), strict=True):
        for each in range(first % number, number, min(100, max(1, number // 8))):
            made[each] += f" {word}"
    return made


def zipf(dice: random.Random, prompts: Sequence[str]) -> Iterator[str]:
    """The prompts, each as often as its rank allows."""
    weights = array("d", (1 / (rank + 1) ** 0.8 for rank in range(len(prompts))))
    while True:
        yield from dice.choices(prompts, weights, k=10_000)
