"""Every check, from facts to what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from training.datasets.health import stored
from training.datasets.health.checks import CHECKS
from training.datasets.health.dataset_facts import Facts, Picture
from training.datasets.health.findings import Finding, Level, tally
from training.datasets.health.report import find
from training.datasets.models import Dataset

MEASURED: dict[str, Any] = {
    "version": stored.VERSION, "sharpness": 0.6, "one_colour": 0.2, "quality": None, "blocks": 1.1, "twins": [],
}  # fmt: skip
FEATURES = np.full(stored.FEATURES, 0.5, np.float32)


def picture(pk: int, caption: str = "hills, river", *, size: tuple[int, int] = (1024, 1024), **other: Any) -> Picture:
    """A faultless picture, but for what the test says; measures by name."""
    named = {key: other.pop(key) for key in list(other) if key in MEASURED or key == "pixels"}
    columns: dict[str, Any] = {
        "pk": pk,
        "width": size[0],
        "height": size[1],
        "byte_size": 1000,
        "has_alpha": False,
        "background": "",
        "caption": caption,
        "included": True,
        "crop_x": 0.5,
        "crop_y": 0.5,
        "measured": {**MEASURED, "pixels": f"pixels {pk}", **named},
        "features": FEATURES.tobytes(),
    }
    return Picture(**{**columns, **other})


def facts(*pictures: Picture, **settings: Any) -> Facts:
    """A dataset of these pictures."""
    defaults = {"name": "Gouache", "trigger_words": "gouachefield painting", "repeats": 10}
    return Facts(Dataset(**{**defaults, **settings}), pictures, unmeasured=0)


def found(name: str, *pictures: Picture, **settings: Any) -> list[Finding]:
    """What one check says."""
    return list(CHECKS[name](facts(*pictures, **settings)))


def only(name: str, *pictures: Picture, **settings: Any) -> Finding:
    """The one thing that a check says."""
    (finding,) = found(name, *pictures, **settings)
    return finding


def several(count: int, **other: Any) -> list[Picture]:
    """Faultless pictures."""
    return [picture(pk, f"hills, word{pk}", **other) for pk in range(1, count + 1)]


def test_a_good_dataset_has_nothing_but_good_findings() -> None:
    captions = ["hills", "river", "sea"]
    pictures = [picture(pk, f"{captions[pk % 3]}, word{pk}") for pk in range(1, 31)]
    findings = find(facts(*pictures))
    assert {finding.level for finding in findings} == {Level.GREEN}
    assert len(findings) >= 10


def test_an_empty_dataset_has_no_findings() -> None:
    assert find(facts()) == []


def test_pictures_that_were_not_measured_are_not_judged_by_their_pixels() -> None:
    findings = find(facts(*(picture(pk, f"word{pk}", measured=None, features=None) for pk in range(1, 5))))
    by_pixels = {"files", "exact_duplicates", "near_duplicates", "blur", "one_colour", "compression", "odd_ones"}
    assert by_pixels.isdisjoint(finding.check for finding in findings)


def test_broken_files_are_a_problem() -> None:
    broken = picture(2, measured={"version": stored.VERSION, "broken": True, "twins": []})
    finding = only("files", picture(1), broken)
    assert finding.level == Level.RED and finding.pictures == (2,) and "1 picture cannot be read" in finding.sentence


def test_of_equal_pictures_the_one_with_most_pixels_and_sharpest_stays() -> None:
    small, large, soft = (
        picture(1, pixels="same", size=(512, 512)),
        picture(2, pixels="same"),
        picture(3, pixels="same", sharpness=0.3),
    )
    finding = only("exact_duplicates", small, large, soft)
    assert finding.level == Level.RED
    assert finding.groups[0].best == 2 and set(finding.pictures) == {1, 3}
    assert "2 pictures are here more than once" in finding.sentence


def test_copies_are_grouped_through_a_common_picture_and_only_where_both_take_part() -> None:
    pictures = [picture(1), picture(2, twins=[[1, 0.9, False]]), picture(3, twins=[[2, 0.95, True], [99, 0.9, False]])]
    finding = only("near_duplicates", *pictures)
    assert [group.all for group in finding.groups] == [(1, 2, 3)]
    assert finding.sentence == "3 pictures are nearly the same"


def test_a_picture_below_the_resolution_is_called_too_small_with_the_factor() -> None:
    finding = only("too_small", picture(1), picture(2, size=(800, 800)))
    assert finding.level == Level.YELLOW and finding.pictures == (2,) and "1.3 times" in finding.reason
    assert only("too_small", picture(1, size=(500, 500))).level == Level.RED
    assert only("too_small", picture(1, size=(5000, 40))).level == Level.RED
    assert only("too_small", picture(1, size=(1000, 1000))).level == Level.GREEN
    assert only("too_small", picture(1, size=(800, 800)), resolution=768).level == Level.GREEN


def test_a_picture_that_fits_no_bucket_is_a_problem_by_itself() -> None:
    finding = only("no_bucket", picture(1), picture(2, size=(2000, 40)))
    assert finding.level == Level.RED and finding.pictures == (2,) and "training would stop" in finding.reason
    assert finding.fix is not None and finding.fix.name == "exclude"
    # Large enough, and yet so wide that nothing is left of its other side.
    assert only("no_bucket", picture(1, size=(140_000, 520))).level == Level.RED
    assert found("no_bucket", picture(1), picture(2, size=(64, 64))) == []
    alone = only("lonely_buckets", picture(1), picture(2), picture(3, size=(2000, 40)))
    assert alone.level == Level.GREEN and "1 bucket," in alone.sentence


def test_very_wide_pictures_are_named_and_sdxl_s_widest_shape_is_not() -> None:
    assert found("extreme_shape", picture(1, size=(1536, 640))) == []
    assert only("extreme_shape", picture(1, size=(2000, 700))).level == Level.YELLOW
    assert only("extreme_shape", picture(1, size=(700, 3500))).level == Level.RED


def test_a_large_cut_is_a_warning() -> None:
    finding = only("cut_away", picture(1), picture(2, size=(575, 1024)))
    assert finding.level == Level.YELLOW and finding.pictures == (2,)
    assert finding.fix is not None and finding.fix.go == "crops"


def test_a_picture_alone_in_its_bucket_is_a_warning() -> None:
    finding = only("lonely_buckets", picture(1), picture(2), picture(3, size=(832, 1216)))
    assert finding.level == Level.YELLOW and finding.pictures == (3,)
    assert only("lonely_buckets", picture(1), picture(2)).level == Level.GREEN


def test_one_blurred_picture_is_named_with_how_much_wider_its_edges_are() -> None:
    finding = only("blur", *several(5), picture(9, sharpness=0.2))
    assert finding.level == Level.YELLOW and finding.pictures == (9,) and "3.0 times" in finding.reason


def test_where_most_pictures_are_soft_that_is_the_style() -> None:
    finding = only("blur", *several(5, sharpness=0.2))
    assert finding.level == Level.GREEN and finding.pictures == ()


def test_in_a_soft_set_a_picture_is_blurred_only_if_it_is_much_softer_than_the_others() -> None:
    soft = several(5, sharpness=0.36)
    assert only("blur", *soft, picture(9, sharpness=0.25)).level == Level.GREEN
    finding = only("blur", *soft, picture(9, sharpness=0.15))
    assert (finding.level, finding.pictures) == (Level.YELLOW, (9,))


@pytest.mark.parametrize(("share", "level"), [(0.8, None), (0.9, Level.YELLOW), (0.99, Level.RED)])
def test_pictures_of_mostly_one_colour_are_named(share: float, level: Level | None) -> None:
    levels = [finding.level for finding in found("one_colour", picture(1, one_colour=share))]
    assert levels == ([] if level is None else [level])


def test_strong_compression_is_seen_in_tables_and_in_blocks_but_not_in_pixel_art() -> None:
    assert only("compression", picture(1, quality=40)).level == Level.YELLOW
    assert only("compression", picture(1, quality=15)).level == Level.RED
    assert only("compression", picture(1, blocks=2.5)).pictures == (1,)
    assert only("compression", picture(1, blocks=7.0, sharpness=1.0)).level == Level.GREEN
    assert only("compression", picture(1, quality=85)).level == Level.GREEN


def test_transparent_pictures_want_a_background_until_they_have_one() -> None:
    finding = only(
        "transparency", picture(1), picture(2, has_alpha=True), picture(3, has_alpha=True, background="#ff0000")
    )
    assert finding.level == Level.YELLOW and finding.pictures == (2,)
    assert finding.fix is not None and (finding.fix.name, finding.fix.values) == ("lay", {"colour": "#ffffff"})
    assert only("transparency", picture(3, has_alpha=True, background="#ff0000")).level == Level.GREEN
    assert found("transparency", picture(1)) == []


def test_the_odd_one_out_is_found_among_pictures_that_vary() -> None:
    rng = np.random.default_rng(3)
    rows = [(FEATURES + rng.normal(0, 0.05, len(FEATURES))).astype(np.float32) for _ in range(20)]
    pictures = [picture(pk, features=row.tobytes()) for pk, row in enumerate(rows, 1)]
    assert only("odd_ones", *pictures).level == Level.GREEN
    odd = picture(99, features=(FEATURES + rng.normal(0, 0.4, len(FEATURES))).astype(np.float32).tobytes())
    assert only("odd_ones", *pictures, odd).pictures == (99,)
    assert found("odd_ones", *pictures[:3], odd) == []


def test_missing_captions_are_a_problem_with_a_link_to_them() -> None:
    finding = only("missing_captions", picture(1), picture(2, ""), picture(3, " "))
    assert finding.level == Level.RED and finding.pictures == (2, 3)
    assert finding.fix is not None and finding.fix.query == {"only": "empty"}


def test_a_caption_is_too_long_together_with_its_trigger_words() -> None:
    words = ", ".join(["hills"] * 37)
    assert only("long_captions", picture(1, words), trigger_words="").level == Level.GREEN
    finding = only("long_captions", picture(1, words))
    assert finding.level == Level.YELLOW and "77" in finding.reason and finding.pictures == (1,)


def test_the_reader_of_the_longest_caption_is_named() -> None:
    """Curly quotes are two tokens for a ComfyUI and one for sd-scripts."""
    finding = only("long_captions", picture(1, "“a” " * 20), trigger_words="")
    assert "as a ComfyUI reads them" in finding.reason


def test_weights_in_captions_are_told_since_sd_scripts_knows_none() -> None:
    finding = only("weights", picture(1, "a (red:1.2) fox"), picture(2, "rider (knight)"))
    assert finding.pictures == (1,) and "sd-scripts" in finding.reason
    assert found("weights", picture(2, "rider (knight)")) == []


def test_a_trigger_inside_another_word_is_no_trigger_and_other_spellings_are() -> None:
    assert only("trigger", picture(1, "drinking fox"), trigger_words="ink").level == Level.GREEN
    finding = only("trigger", picture(1, "a fox, ink_mist"), trigger_words="ink mist")
    assert finding.pictures == (1,)


def test_equal_captions_are_told_in_groups() -> None:
    finding = only(
        "same_captions", picture(1, "hills"), picture(2, "Hills "), picture(3, "sea"), picture(4, ""), picture(5, "")
    )
    assert finding.level == Level.YELLOW and finding.pictures == (1, 2)
    assert found("same_captions", picture(1, "hills"), picture(2, "sea")) == []


def test_a_caption_that_names_the_trigger_words_is_a_warning_in_any_case() -> None:
    finding = only("trigger", picture(1, "a Gouachefield  Painting of hills"), picture(2, "hills"))
    assert finding.level == Level.YELLOW and finding.pictures == (1,)
    assert only("trigger", picture(2)).level == Level.GREEN
    missing = only("trigger", picture(2), trigger_words="")
    assert missing.level == Level.YELLOW and missing.fix is not None and missing.fix.go == "edit"


def test_a_tag_in_nearly_every_caption_is_named_with_its_count() -> None:
    finding = only("frequent_tags", *several(10))
    assert finding.sentence == "In nearly all of 10 captions: “hills” (10)"
    assert found("frequent_tags", *several(9)) == []
    assert found("frequent_tags", *(picture(pk, f"word{pk}") for pk in range(12))) == []


def test_a_rare_tag_next_to_a_frequent_one_is_a_likely_typo_with_its_own_button() -> None:
    pictures = [*(picture(pk, "trees, hills") for pk in range(1, 8)), picture(8, "tress"), picture(9, "hils")]
    findings = found("typos", *pictures)
    assert {finding.sentence for finding in findings} == {
        "“tress” looks like a typo of “trees”", "“hils” looks like a typo of “hills”",
    }  # fmt: skip
    assert all(finding.fix and finding.fix.name == "rename_tag" for finding in findings)
    assert {finding.pictures for finding in findings} == {(8,), (9,)}
    assert len({finding.anchor for finding in find(facts(*pictures))}) == len(find(facts(*pictures)))


def test_the_place_of_a_finding_has_no_space_in_it() -> None:
    """It is an id, and ids are told in lists with spaces between them."""
    pictures = [*(picture(pk, "blue skies") for pk in range(1, 8)), picture(8, "blue skyes"), picture(9, "blue_skyes")]
    anchors = [finding.anchor for finding in find(facts(*pictures)) if finding.check == "typos"]
    assert anchors == ["typos-blue%20skyes"]


@pytest.mark.parametrize(
    ("count", "level"), [(5, Level.RED), (15, Level.YELLOW), (30, Level.GREEN), (150, Level.GREEN), (300, Level.YELLOW)]
)
def test_the_number_of_pictures_is_judged(count: int, level: Level) -> None:
    assert only("amount", *several(count)).level == level


def test_repeats_fit_the_number_of_pictures_or_the_fitting_number_is_offered() -> None:
    good = only("repeats", *several(30), repeats=10)
    assert good.level == Level.GREEN and "150 steps" in good.reason
    many = only("repeats", *several(30), repeats=50)
    assert many.level == Level.YELLOW and "1,500" in many.sentence
    assert many.fix is not None and many.fix.values == {"repeats": "10"}


def test_findings_are_sorted_worst_first_and_count_per_level() -> None:
    findings = find(facts(*several(12), picture(90, ""), picture(91, "x", quality=40)))
    levels = [finding.level for finding in findings]
    assert levels == sorted(levels)
    counts = tally(findings)
    assert counts[Level.RED] == 1 and counts.total() == len(findings)
