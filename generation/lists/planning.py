"""What rows of a list order, and what is wrong with those that order nothing. Nothing is stored here."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from generation.lists import dynamic, holding
from generation.lists.models import ListRow, OrderList, WordList
from generation.lists.reading import columns
from generation.ordering import orders
from generation.ordering.english_form.fields import is_other
from generation.ordering.english_form.unread import is_unread
from generation.ordering.forms import offered
from generation.ordering.orders import Ingredient, Order
from generation.pictures.models import MOST_PICTURES, MOST_PROMPT, MOST_SEED
from generation.pictures.prompts import NO_FRAME, Frame
from generation.pictures.shapes import SHAPES
from generation.recipes import registry
from generation.recipes.recipe import Field, Recipe
from generation.selecting import names
from styles.models import Preset, Style

# What a spreadsheet shows in a cell where it has no value to show.
_ERROR = re.compile(r"#(?:REF!|N/A|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|SPILL!|CALC!|BLOCKED!|FIELD!|#+)|Err:\d+|#+")
_WEIGHTED = re.compile(r"(.+?)\s*[:：@×*]\s*(-?\d+(?:[.,]\d+)?)\s*")
_MIXED = re.compile(r"\s*[+＋、;；\n]\s*")
_SIZE = re.compile(r"(\d{2,5})\s*[x×*✕X]\s*(\d{2,5})(?:\s*px)?")
_RATIO = re.compile(r"(\d{1,2})\s*[:：/]\s*(\d{1,2})")
_POWERS = re.compile(r"\d(?:[.,]\d+)?e\+?\d+", re.IGNORECASE)
SURPLUS = "surplus"  # among the cells of a draft's row: what its line had more than there are columns
ENGLISH_OF = "english_of"  # among the cells of a row: the prompt that its English belongs to, if that is said
SHAPE_WORDS = {
    "square": "1:1",
    "portrait": "2:3",
    "landscape": "3:2",
    "方形": "1:1",
    "竖版": "2:3",
    "横版": "3:2",
    "正方形": "1:1",
}


@dataclass(slots=True)
class Planned:
    """A row with its order, or with what is wrong by column. `name` is that of its file, without number and ending."""

    row: ListRow
    name: str = ""
    order: Order | None = None
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many pictures it orders."""
        return self.order.count if self.order and not self.problems else 0

    @property
    def chosen(self) -> dict[str, str]:
        """What `ListRow.frozen` keeps of its order."""
        assert self.order is not None  # of rows that can be ordered alone
        return {name: getattr(self.order, name) for name in ("prompt", "english", "negative")}

    @property
    def lacks_english(self) -> bool:
        """Whether its model cannot read its prompt, and it has no English."""
        order = self.order
        return order is not None and not order.english and is_unread(order.prompt, order.recipe)

    @property
    def told(self) -> list[tuple[str, str]]:
        """What is wrong: the name of the column, and the reason."""
        return [(columns.title(column), reason) for column, reason in self.problems.items()]


class Planner:
    """Makes orders of the rows of one list, for its owner: with the styles, presets and words that they may see."""

    def __init__(self, found: OrderList) -> None:
        self.list = found
        self.person: User = found.owner
        self._held: dict[tuple[str, int, int], str] = {}

    @cached_property
    def styles(self) -> dict[str, Style]:
        """Styles that can be chosen by every way to write their name."""
        known: dict[str, Style] = {}
        for style in offered(self.person):
            for way in (style.slug, str(style.title), style.name):
                known.setdefault(_folded(way), style)
        return known

    @cached_property
    def presets(self) -> dict[str, list[Preset]]:
        """Presets by name: several styles may have one of the same."""
        known: dict[str, list[Preset]] = {}
        for preset in Preset.objects.visible_to(self.person):
            known.setdefault(_folded(preset.name), []).append(preset)
        return known

    @cached_property
    def recipes(self) -> dict[str, Recipe]:
        """Recipes by name, and by title in every language."""
        known: dict[str, Recipe] = {}
        for recipe in registry.current().values():
            for way in (recipe.name, recipe.title.en, recipe.title.zh_hans):
                known.setdefault(_folded(way), recipe)
        return known

    def _cannot_hold(self, order: Order) -> str:
        """Why the form of an order's pictures cannot be held; "" if it can, or if the list holds none."""
        if self.list.held is None:
            return ""
        like = order.recipe.sha256, order.width, order.height
        if like not in self._held:
            self._held[like] = holding.trouble(self.list.held, order, self.person)
        return self._held[like]

    @cached_property
    def words(self) -> dict[str, Sequence[str]]:
        """The studio's lists of words by name."""
        return {each.name.casefold(): each.lines for each in WordList.objects.visible_to(self.person)}

    def plan(self, rows: Iterable[ListRow]) -> list[Planned]:
        """What each of these rows orders; names that two of them have are wrong in both."""
        planned = [self.one(row) for row in rows]
        by_name: dict[str, list[Planned]] = {}
        for each in planned:
            if not each.row.is_left_out and "name" not in each.problems:
                for name in file_names(each.name, each.order.count if each.order else 1):
                    by_name.setdefault(names.same(name), []).append(each)
        for group in by_name.values():
            for each in group if len(group) > 1 else ():
                other = next(one for one in group if one is not each)
                words = _("Row %(number)d has this name, too. Names of files are told apart without regard to case.")
                each.problems["name"] = words % {"number": other.row.number}
        return planned

    def one(self, row: ListRow) -> Planned:
        """What one row orders, without regard to the names of others."""
        cells = {**self.list.choices, **{column: text for column, text in row.cells.items() if text}}
        found = Planned(row)
        if over := cells.pop(SURPLUS, ""):
            words = _(
                "This row has more cells than there are columns. “%(text)s” is left over: add it if it belongs here."
            )
            found.problems["prompt"] = words % {"text": over}
        for column, text in cells.items():
            if _ERROR.fullmatch(text):
                found.problems[column] = _("The spreadsheet had no value to show here, only %(text)s.") % {"text": text}
        found.name = file_name(row)
        if row.cells.get("name") and "name" not in found.problems:
            _check_name(found.name, found.problems)
        reader = _Reader(self, cells, found.problems)
        order = reader.order(row)
        if not found.problems:
            try:
                order.check()
            except ValidationError as error:
                for column, reasons in error.message_dict.items():
                    found.problems[column] = " ".join(reasons)
        if not found.problems and (why := self._cannot_hold(order)):
            found.problems["hold"] = why
        found.order = order
        return found


def file_name(row: ListRow) -> str:
    """The name of a row's file without ending: as its cell says, else its number and the first words of its prompt."""
    if name := row.cells.get("name"):
        return names.stem(name)
    subject = names.cut(re.split(r"[,.;:\n，。；、{]", row.cells.get("prompt", ""))[0], 60)
    return names.clean(f"{row.number:04d} {subject}".strip())


def file_names(stem: str, pictures: int) -> list[str]:
    """The names of the files of a row with so many pictures, without ending."""
    return [stem] if pictures == 1 else [f"{stem}-{number}" for number in range(1, pictures + 1)]


def _check_name(stem: str, problems: dict[str, str]) -> None:
    fit = names.clean(stem)
    if fit != stem:
        words = _("No file can have this name on every system. Possible is: %(name)s")
        problems["name"] = words % {"name": fit}
    elif len(fit.encode()) > names.MOST_BYTES - 10:
        problems["name"] = _("This name is too long for a file.")


class _Reader:
    """Reads the cells of one row, and notes what is wrong with them."""

    def __init__(self, planner: Planner, cells: Mapping[str, str], problems: dict[str, str]) -> None:
        self.planner, self.cells, self.problems = planner, cells, problems

    def order(self, row: ListRow) -> Order:
        """The order, as far as its cells can be read."""
        recipe = self._recipe()
        mix = self._mix()
        preset = self._preset([one.version.style_id for one in mix])
        seed = self._seed()
        drawn = row.seed if seed is None else seed
        width, height = self._size(preset)
        settings = recipe.defaults | self._settings(recipe)
        if preset and recipe.name == registry.DEFAULT and not self.cells.get("steps"):
            settings["steps"] = preset.steps
        if preset and preset.negative and not self.cells.get("negative") and "negative" in recipe.fields:
            settings["negative"] = preset.negative
        chosen = {name: self.cells.get(name, "") for name in ("prompt", "english")}
        chosen["negative"] = str(settings.get("negative", ""))
        if row.frozen:
            chosen |= row.frozen
        elif self.planner.list.chooses_words:
            chosen = {name: self._choose(name, text, drawn) for name, text in chosen.items()}
        if "negative" in settings:
            settings["negative"] = chosen["negative"]
        prompt = chosen["prompt"]
        if len(prompt) > MOST_PROMPT:
            self._wrong("prompt", _("At most %d characters.") % MOST_PROMPT)
        if not prompt.strip() and "positive" in recipe.unused:
            prompt = str(recipe.title)
        told = orders.told(settings)
        frame = Frame(preset.prefix, preset.suffix, preset.name) if preset else NO_FRAME
        count = self._whole("count", 1, MOST_PICTURES, 1)
        made = Order(prompt=prompt, recipe=recipe, width=width, height=height, seed=drawn, mix=tuple(mix), frame=frame)
        return replace(made, english=self._english(chosen["english"], prompt, recipe), count=count, **told)

    def _english(self, text: str, prompt: str, recipe: Recipe) -> str:
        """The English of the prompt; "" if the model of the recipe reads the prompt itself."""
        if not is_unread(prompt, recipe):
            return ""
        if len(text) > MOST_PROMPT:
            self._wrong("english", _("At most %d characters.") % MOST_PROMPT)
        if text and is_other(self.cells.get(ENGLISH_OF, ""), self.cells.get("prompt", "")):
            self._wrong("english", _("This is the English of another prompt. Change it, or empty it."))
        return text

    def _wrong(self, column: str, reason: str) -> None:
        self.problems.setdefault(column, reason)

    def _choose(self, column: str, text: str, seed: int) -> str:
        try:
            return dynamic.chosen(text, seed, lambda name: self.planner.words.get(name.casefold()))
        except dynamic.BadPrompt as error:
            self._wrong(column, str(error))
            return text

    def _recipe(self) -> Recipe:
        text = self.cells.get("recipe", "")
        found = self.planner.recipes.get(_folded(text)) if text else registry.default()
        if found is None:
            self._unknown("recipe", text, [str(each.title) for each in registry.current().values()])
        if found and found.pictures:
            words = _("%s asks for pictures, which a list cannot give. Choose another recipe.")
            self._wrong("recipe", words % found.title)
        return found or registry.default()

    def _unknown(self, column: str, text: str, all_of_them: Sequence[str]) -> None:
        near = difflib.get_close_matches(text, all_of_them, n=1, cutoff=0.6)
        words = (
            _("There is no “%(text)s” that you can choose. Do you mean %(near)s?")
            if near
            else _("There is no “%(text)s” that you can choose.")
        )
        self._wrong(column, words % {"text": text[:60], "near": near[0] if near else ""})

    def _mix(self) -> list[Ingredient]:
        text = self.cells.get("style", "")
        whole = self.planner.styles.get(_folded(text))
        parts = [text] if whole else [part for part in _MIXED.split(text) if part]
        if not whole and len(parts) == 1 and _folded(text) not in self.planner.styles and "," in text:
            parts = [part.strip() for part in re.split(r"[,，]", text) if part.strip()]
        mix = [one for part in parts if (one := self._ingredient(part))]
        if (weight := self.cells.get("weight", "")) and mix:
            number = _number(weight)
            if number is None:
                self._wrong("weight", _("A weight is a number such as 0.8."))
            else:
                mix = [Ingredient(one.version, round(number, 2)) for one in mix]
        return mix

    def _ingredient(self, text: str) -> Ingredient | None:
        name, weight = text, None
        if _folded(name) not in self.planner.styles and (found := _WEIGHTED.fullmatch(text)):
            name, weight = found[1], _number(found[2])
        style = self.planner.styles.get(_folded(name))
        if style is None:
            self._unknown("style", name, sorted({str(each.title) for each in self.planner.styles.values()}))
            return None
        if style.is_base or style.version is None:
            return None
        return Ingredient(style.version, style.version.default_strength if weight is None else round(weight, 2))

    def _preset(self, styles: Sequence[int]) -> Preset | None:
        text = self.cells.get("preset", "")
        if not text:
            return None
        found = self.planner.presets.get(_folded(text), [])
        own = [preset for preset in found if preset.style_id in styles]
        if not found:
            self._unknown("preset", text, [each.name for group in self.planner.presets.values() for each in group])
        return next(iter(own or found), None)

    def _size(self, preset: Preset | None) -> tuple[int, int]:
        text = self.cells.get("shape", "")
        if not text:
            return (preset.width, preset.height) if preset else (SHAPES[0].width, SHAPES[0].height)
        if found := _SIZE.fullmatch(text):
            return int(found[1]), int(found[2])
        ratio = SHAPE_WORDS.get(_folded(text), text)
        if (parts := _RATIO.fullmatch(ratio)) and (
            known := next((shape for shape in SHAPES if shape.name == f"{parts[1]}:{parts[2]}"), None)
        ):
            return known.width, known.height
        shapes = ", ".join(shape.name for shape in SHAPES)
        self._wrong("shape", _("A shape is one of %(shapes)s, or a size such as 1024x768.") % {"shapes": shapes})
        return SHAPES[0].width, SHAPES[0].height

    def _seed(self) -> int | None:
        text = self.cells.get("seed", "")
        if not text or text.casefold() in ("random", "-1", "随机"):
            return None
        if _POWERS.fullmatch(text):
            words = _("The spreadsheet has shortened this seed to %(text)s. Format its cells as text or as 0.")
            self._wrong("seed", words % {"text": text})
            return None
        bare = text.replace(",", "").replace(" ", "").removesuffix(".0")
        if bare.isascii() and bare.isdigit() and len(bare) <= 19 and int(bare) <= MOST_SEED:
            return int(bare)
        self._wrong("seed", _("A seed is a whole number from 0 to %d, or nothing for a random one.") % MOST_SEED)
        return None

    def _whole(self, column: str, least: int, most: int, usual: int) -> int:
        text = self.cells.get(column, "")
        number = _number(text) if text else usual
        if number is None or number != int(number) or not least <= number <= most:
            self._wrong(column, _("Choose %(least)d to %(most)d.") % {"least": least, "most": most})
            return usual
        return int(number)

    def _settings(self, recipe: Recipe) -> dict[str, Any]:
        """The settings of the recipe that the cells name. Those of other recipes are wrong here."""
        found: dict[str, Any] = {}
        for column, text in self.cells.items():
            if (column in columns.TITLES and column != "negative") or column == ENGLISH_OF or not text:
                continue
            each = recipe.fields.get(column)
            if each is None:
                self._wrong(
                    column, _("%(recipe)s has no such setting. Leave this cell empty.") % {"recipe": recipe.title}
                )
            elif (value := _read(each, text)) is not None:
                found[column] = value
            else:
                self._wrong(column, _why_not(each, text))
        return found


def _read(each: Field, text: str) -> Any:
    """What a cell says of a setting; None if that cannot be made."""
    if each.type == "switch":
        word = text.casefold()
        if word in ("yes", "on", "1", "true", "是", "开", "x", "✓"):
            return True
        return False if word in ("no", "off", "0", "false", "否", "关") else None
    if each.is_number:
        number = _number(text)
        if number is None or (each.type == "integer" and number != int(number)):
            return None
        return each.read(int(number) if each.type == "integer" else number)
    if each.type == "choice":
        return next((choice for choice in each.choices if choice.casefold() == text.casefold()), None)
    return text


def _why_not(each: Field, text: str) -> str:
    number = _number(text) if each.is_number else None
    if each.is_number and (number is None or (each.type == "integer" and number != int(number))):
        ends = {"label": each.label, "least": each.least, "most": each.most}
        return _("%(label)s: choose %(least)g to %(most)g.") % ends
    return each.problem(number if each.is_number else text) or _("This cannot be read.")


def _number(text: str) -> float | None:
    """A number as people write it: with a point or a comma, or as a share of a hundred."""
    bare = text.strip().replace(" ", "")
    share = bare.endswith(("%", "％"))
    bare = bare.rstrip("%％")
    if bare.count(",") == 1 and "." not in bare:
        bare = bare.replace(",", ".")
    if not re.fullmatch(r"[+-]?\d{1,15}(?:\.\d{0,15})?", bare.replace(",", "")):
        return None
    number = float(bare.replace(",", ""))
    return number / 100 if share else number


def _folded(text: object) -> str:
    return re.sub(r"[\s_\-]+", " ", str(text)).strip().casefold()
