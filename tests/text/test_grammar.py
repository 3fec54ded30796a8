"""One grammar for prompts, trigger words and captions: phrases, emphasis, spellings, templates."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.pictures.prompts import final_prompt
from stylestudio.text import grammar

# Signs that mean something to the grammar come often, all others now and then.
SIGNS = st.sampled_from(
    [*"()[]{}\\:;.,，、\n \"'’“”「」_-0123456789aBéß", "水", "墨", "の", "먹", "ink", "1.2", ":)", "（", "）", "\0"]
)
ANY = st.characters(exclude_categories=["Cs"])
TEXT = st.lists(SIGNS | ANY, max_size=40).map("".join)
PHRASES = st.lists(st.lists(SIGNS | ANY, max_size=10).map("".join), max_size=3)

Law = Callable[..., None]
LAWS: dict[str, tuple[Law, dict[str, Any]]] = {}


def law(**given_: Any) -> Callable[[Law], Law]:
    def note(function: Law) -> Law:
        LAWS[function.__name__] = function, given_
        return function

    return note


@law(text=TEXT)
def pieces_make_the_text_again_and_joined_phrases_split_into_themselves(text: str) -> None:
    assert "".join(piece + mark for piece, mark in grammar.pieces(text)) == text
    phrases = grammar.split(text)
    assert grammar.split(grammar.join(phrases)) == phrases


@law(text=TEXT)
def comfyui_reads_word_for_word_what_sd_scripts_reads(text: str) -> None:
    text = text.replace("\0", "")
    sent = grammar.for_comfyui(text)
    read = grammar.as_comfyui_reads(sent)
    assert "".join(words for words, _weight in read) == grammar.for_sd_scripts(text)
    assert grammar.for_comfyui(sent) == sent
    if not grammar.has_emphasis(text):
        assert {weight for _words, weight in read} <= {1.0}


@law(text=TEXT)
def text_without_parentheses_is_never_changed(text: str) -> None:
    plain = text.replace("(", "").replace(")", "")
    assert grammar.for_comfyui(plain) == grammar.for_sd_scripts(plain) == plain
    assert grammar.compose("{trigger}, {caption}", "", plain) == plain.strip()


@law(prompt=TEXT, phrases=PHRASES)
def triggers_come_in_front_once_and_the_prompt_stays(prompt: str, phrases: list[str]) -> None:
    final = final_prompt(prompt, phrases)
    assert final.endswith(prompt.strip())
    for phrase in phrases:
        assert not phrase.strip() or grammar.contains(final, phrase)
    assert grammar.missing(final, phrases) == []
    assert final_prompt(final, phrases) == final.strip()


WORDS = st.sampled_from(["ink", "mist", "red_hair", "fate", "水墨", "風格", "먹", "style", "v2"])


@law(words=st.lists(WORDS, min_size=1, max_size=4))
def a_trigger_is_found_in_all_its_spellings(words: list[str]) -> None:
    phrase = " ".join(words)
    for spelling in (
        phrase.upper(),
        phrase.replace(" ", "_"),
        phrase.replace("_", " "),
        f"({phrase}:1.3)",
        f"(({phrase}))",
        f"\\({phrase}\\)",
        phrase.translate({number: number + 0xFEE0 for number in range(0x61, 0x7B)}),
    ):
        assert grammar.contains(f"a fox, {spelling}, dusk", phrase), spelling


@law(trigger=TEXT, caption=TEXT)
def what_a_caption_says_reaches_the_trainer_as_it_was_written(trigger: str, caption: str) -> None:
    composed = grammar.compose("{trigger}, {caption}", trigger, caption)
    assert composed.endswith(caption.strip().lstrip(" ,，、"))


@pytest.mark.parametrize("name", LAWS)
def test_the_laws_of_the_grammar_hold(name: str) -> None:
    function, inputs = LAWS[name]
    settings(max_examples=60, deadline=None)(given(**inputs)(function))()


@pytest.mark.heavy
@pytest.mark.parametrize("name", LAWS)
def test_the_laws_of_the_grammar_hold_for_more_than_ten_thousand_inputs(name: str) -> None:
    function, inputs = LAWS[name]
    settings(max_examples=2_000, deadline=None)(given(**inputs)(function))()


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("a pile of 12,500 coins, dusk", ["a pile of 12,500 coins", "dusk"]),
        ("3,5 m high, 1girl,2boys", ["3,5 m high", "1girl", "2boys"]),
        ("a 2,000m peak,fog", ["a 2,000m peak", "fog"]),
        ("score_9,8k", ["score_9", "8k"]),
        ('a sign "Stop, thief", rain', ['a sign "Stop, thief"', "rain"]),
        ("it's a fox, the dogs' bowl, cat", ["it's a fox", "the dogs' bowl", "cat"]),
        ("'90s look, rock 'n' roll, neon", ["'90s look", "rock 'n' roll", "neon"]),
        ('a 12" record, "big, red" label', ['a 12" record', '"big, red" label']),
        ("写着「你好，世界」的牌子，夜", ["写着「你好，世界」的牌子", "夜"]),
        ('牌子上写着"你好，世界"，夜', ['牌子上写着"你好，世界"', "夜"]),
        ("(red,blue:1.2) fox,snow", ["(red,blue:1.2) fox", "snow"]),
        ("saber \\(fate, zero\\), sword", ["saber \\(fate, zero\\)", "sword"]),
        ("[day, night], 山（大，高），雾", ["[day, night]", "山（大，高）", "雾"]),
        (":), smile, :(, frown", [":)", "smile", ":(", "frown"]),
        ("(open, never closed", ["(open", "never closed"]),
        ("a,,b", ["a", "b"]),
        ('"\n"', ['"', '"']),
    ],
)
def test_commas_part_phrases_but_not_numbers_quotations_and_brackets(text: str, phrases: list[str]) -> None:
    assert grammar.split(text) == phrases


@pytest.mark.parametrize(
    ("stored", "comfyui", "sd_scripts"),
    [
        ("saber (fate)", "saber \\(fate\\)", "saber (fate)"),
        ("saber \\(fate\\)", "saber \\(fate\\)", "saber (fate)"),
        ("saber_(fate_(zero))", "saber_\\(fate_\\(zero\\)\\)", "saber_(fate_(zero))"),
        ("(rusty robot:1.3), sea", "(rusty robot:1.3), sea", "rusty robot, sea"),
        ("a (rusty:1.3) robot", "a (rusty:1.3) robot", "a rusty robot"),
        ("((mist)), hills", "((mist)), hills", "mist, hills"),
        ("(saber (fate):1.2)", "(saber \\(fate\\):1.2)", "saber (fate)"),
        ("a robot (at 12:30)", "a robot \\(at 12:30\\)", "a robot (at 12:30)"),
        ("(16:9)", "\\(16:9\\)", "(16:9)"),
        (":) (mist:1.1)", ":\\) (mist:1.1)", ":) mist"),
        ("never (closed", "never \\(closed", "never (closed"),
        ("no parentheses: 1,000", "no parentheses: 1,000", "no parentheses: 1,000"),
    ],
)
def test_parentheses_mean_the_same_to_a_comfyui_and_to_sd_scripts(stored: str, comfyui: str, sd_scripts: str) -> None:
    assert grammar.for_comfyui(stored) == comfyui
    assert grammar.for_sd_scripts(stored) == sd_scripts


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a (b) c", [("a ", 1.0), ("b", 1.1), (" c", 1.0)]),
        ("(a:0.5)", [("a", 0.5)]),
        ("((a))", [("a", 1.1 * 1.1)]),
        ("a \\(b\\)", [("a (b)", 1.0)]),
        (":) (a:2)", [(":) (a:2)", 1.0)]),
        ("(a", [("(a", 1.0)]),
    ],
)
def test_weights_are_read_as_comfyui_reads_them(text: str, read: list[tuple[str, float]]) -> None:
    found = grammar.as_comfyui_reads(text)
    assert [words for words, _weight in found] == [words for words, _weight in read]
    assert [weight for _words, weight in found] == pytest.approx([weight for _words, weight in read])


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("一座水墨风格的山", "水墨风格"),
        ("水墨 风格，山", "水墨风格"),
        ("水墨风格，山", "水墨 风格"),
        ("a水墨fox", "水墨"),
        ("inkmist风格的山", "inkmist"),
        ("수묵화풍의 산", "수묵화풍"),
        ("red_hair, fox", "red hair"),
        ("red hair, fox", "red_hair"),
        ("a girl, saber (fate)", "saber \\(fate\\)"),
        ("a girl, (saber_\\(fate\\):1.2)", "saber (fate)"),
        ("(inkmist:1.2) style", "inkmist style"),
        ("ink-wash, fox", "ink wash"),
        ("a fox’s den", "fox's den"),
        ("ＩＮＫＭＩＳＴ, fox", "inkmist"),
    ],
)
def test_a_trigger_that_is_there_is_not_added_in_another_spelling(text: str, phrase: str) -> None:
    assert final_prompt(text, [phrase]) == text


@pytest.mark.parametrize(
    ("text", "phrase"),
    [("drinking fox", "ink"), ("inkwell", "ink"), ("화수묵화풍", "수묵화풍"), (":( sad", ":)"), ("ink", "ink style")],
)
def test_a_part_of_another_word_is_no_trigger(text: str, phrase: str) -> None:
    assert not grammar.contains(text, phrase)


@pytest.mark.parametrize(
    ("caption", "trigger", "kept"),
    [
        ("Ink_Mist style, a fox", "ink mist style", "a fox"),
        ("saber \\(fate\\), sea", "saber (fate)", "sea"),
        ("水墨 风格，狐狸", "水墨风格", "狐狸"),
        ("水墨风格。狐狸", "水墨风格", "狐狸"),
        ("ink, mist, a fox", "ink, mist", "a fox"),
        ("ink, a fox", "ink, mist", "ink, a fox"),
        ("inks, a fox", "ink", "inks, a fox"),
        ("ink", "ink", ""),
        ("a fox, ink", "ink", "a fox, ink"),
    ],
)
def test_trigger_words_in_front_are_known_in_every_spelling(caption: str, trigger: str, kept: str) -> None:
    assert grammar.without_front(caption, trigger) == kept


@pytest.mark.parametrize(
    ("template", "trigger", "caption", "read"),
    [
        (
            "{trigger}, {caption}",
            "inkmist",
            "12,500 coins, a sign 'Go,go', (red,blue:1.2) x,,y",
            "inkmist, 12,500 coins, a sign 'Go,go', (red,blue:1.2) x,,y",
        ),
        ("{trigger}, {caption}", "ink_mist", "a fox, ink mist", "a fox, ink mist"),
        ("{trigger}, {caption}", "ink, mist", "a fox, ink", "mist, a fox, ink"),
        ("{trigger}，{caption}", "水墨", "狐狸", "水墨，狐狸"),
        ("{caption}, {trigger}, masterpiece", "ink", "a fox,", "a fox, ink, masterpiece"),
        ("{caption}, {trigger}, masterpiece", "", "", "masterpiece"),
        ("a painting of {trigger}: {caption}", "ink", "an ink fox", "a painting of ink: an ink fox"),
    ],
)  # fmt: skip
def test_a_template_leaves_what_people_wrote_as_it_is(template: str, trigger: str, caption: str, read: str) -> None:
    assert grammar.compose(template, trigger, caption) == read


@pytest.mark.parametrize(
    "text", ["(" * 4000, "'" * 4000, '"a,' * 1300, "(a," * 1300, ":(" * 2000, "[(" * 2000, "1,2" * 1300]
)
def test_no_text_takes_long(text: str) -> None:
    begun = time.perf_counter()
    grammar.split(text)
    grammar.for_comfyui(text)
    grammar.for_sd_scripts(text)
    grammar.as_comfyui_reads(text)
    grammar.contains(text, "x, " + text[:100])
    assert time.perf_counter() - begun < 1.0
