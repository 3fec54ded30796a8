"""The Simplified Chinese catalog is whole: nothing left in English, no placeholder lost, nothing stale."""

from __future__ import annotations

import ast
import gettext
import os
import re
import shutil
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import translation

ROOT = Path(__file__).resolve().parent.parent
CATALOG = Path("locale/zh_Hans/LC_MESSAGES/django.po")
# What must stand on both sides: %(name)s and its kin, {name}, tags, the dot between two facts.
KEPT = re.compile(r"%(?:\(\w+\))?[-+#0]*\d*(?:\.\d+)?[a-zA-Z%]|\{\w*\}|</?\w[^>]*>|·")


@dataclass
class Entry:
    """One message of a .po file: `texts` has its keywords as they stand there, "msgstr" or "msgstr[0]" among them."""

    texts: dict[str, str] = field(default_factory=dict)
    fuzzy: bool = False

    @property
    def asked(self) -> tuple[str, str]:
        """The message and its plural, which is empty where it has none."""
        return self.texts["msgid"], self.texts.get("msgid_plural", "")

    @property
    def answers(self) -> list[str]:
        """The translation, once for each plural form."""
        return [text for keyword, text in self.texts.items() if keyword.startswith("msgstr")]


def entries(path: Path) -> list[Entry]:
    """All messages of a .po file but its header and those it remembers as obsolete (#~)."""
    found = []
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        entry, keyword = Entry(), ""
        for line in block.splitlines():
            if line.startswith("#"):
                entry.fuzzy |= line.startswith("#,") and "fuzzy" in line
            elif line.startswith("msg"):
                keyword, _space, quoted = line.partition(" ")
                entry.texts[keyword] = ast.literal_eval(quoted)
            elif line:
                entry.texts[keyword] += ast.literal_eval(line)
        if entry.texts.get("msgid"):
            found.append(entry)
    return found


@pytest.fixture(scope="module")
def chinese() -> list[Entry]:
    """The committed catalog."""
    return entries(ROOT / CATALOG)


def test_every_message_is_translated_and_none_is_a_guess(chinese: list[Entry]) -> None:
    assert chinese
    assert [entry.asked[0] for entry in chinese if entry.fuzzy or not all(entry.answers)] == []


def test_no_obsolete_message_is_kept() -> None:
    assert "#~" not in (ROOT / CATALOG).read_text(encoding="utf-8")


def test_chinese_has_one_plural_form(chinese: list[Entry]) -> None:
    assert "Plural-Forms: nplurals=1; plural=0;" in (ROOT / CATALOG).read_text(encoding="utf-8")
    assert [entry.asked for entry in chinese if len(entry.answers) != 1] == []


def test_placeholders_tags_and_separators_stand_on_both_sides(chinese: list[Entry]) -> None:
    lost = [
        (asked, answer)
        for entry in chinese
        for asked in filter(None, entry.asked)
        for answer in entry.answers
        if Counter(KEPT.findall(asked)) != Counter(KEPT.findall(answer))
    ]
    assert lost == []


def test_the_compiled_catalog_says_what_the_text_says(chinese: list[Entry]) -> None:
    compiled = (ROOT / CATALOG).with_suffix(".mo")
    with compiled.open("rb") as file:
        answers = gettext.GNUTranslations(file)
    stale = []
    for entry in chinese:
        (one, many), (answer,) = entry.asked, entry.answers
        if (answers.ngettext(one, many, 2) if many else answers.gettext(one)) != answer:
            stale.append(one)
    assert stale == [], "run manage.py compilemessages -l zh_Hans --ignore .venv"
    # The third word of a .mo file is its number of messages; the header counts as one.
    order = "<" if compiled.read_bytes()[:4] == b"\xde\x12\x04\x95" else ">"
    assert struct.unpack(f"{order}I", compiled.read_bytes()[8:12]) == (len(chinese) + 1,)


def test_the_base_style_has_its_chinese_name() -> None:
    with translation.override("zh-hans"):
        assert translation.gettext("Base style") == "基础风格"


def test_a_browser_that_asks_for_chinese_gets_it(client: Client, people: Callable[..., User]) -> None:
    people("ada", owner=True)
    page = client.get(reverse("sign-in"), headers={"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}).content.decode()
    assert '<html lang="zh-hans"' in page
    assert "登录" in page
    assert "Sign in" not in page


def test_makemessages_finds_nothing_that_the_catalog_lacks(chinese: list[Entry], tmp_path: Path) -> None:
    missing = [tool for tool in ("xgettext", "msgmerge", "msguniq", "msgattrib") if shutil.which(tool) is None]
    if missing:
        reason = f"GNU gettext is not installed: {', '.join(missing)}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    copy = tmp_path / "copy"
    unread = shutil.ignore_patterns(".*", "__pycache__", "data", "env", "static", "tests", "venv")
    shutil.copytree(ROOT, copy, ignore=unread)
    command = [sys.executable, "manage.py", "makemessages", "--locale", "zh_Hans", "--no-location"]
    done = subprocess.run(
        command,
        check=False,
        cwd=copy,
        env={
            **os.environ,
            "STYLESTUDIO_DATA": str(tmp_path / "data"),
            "DJANGO_SETTINGS_MODULE": "stylestudio.settings",
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    extracted = {entry.asked for entry in entries(copy / CATALOG)}
    kept = {entry.asked for entry in chinese}
    assert (extracted - kept, kept - extracted) == (set(), set())


def test_no_text_is_translated_within_an_f_string_where_it_would_not_be_collected() -> None:
    within = [
        f"{path.relative_to(ROOT)}:{each.lineno}"
        for room in ("generation", "styles", "stylestudio", "training")
        for path in (ROOT / room).rglob("*.py")
        if "_(" in (text := path.read_text(encoding="utf-8")) or "gettext(" in text
        for string in ast.walk(ast.parse(text))
        if isinstance(string, ast.JoinedStr)
        for each in ast.walk(string)
        if isinstance(each, ast.Call)
        and isinstance(each.func, ast.Name)
        and each.func.id in {"_", "gettext", "ngettext"}
        if any(isinstance(argument, ast.Constant) for argument in each.args)
    ]
    assert within == []
