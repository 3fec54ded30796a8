"""The checks of a dataset. Each examines the facts and reports findings, including good ones.

A check is a function from `Facts` to findings, registered with `@check`; nothing else knows it. Limits are named
constants with their reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from statistics import median

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from stylestudio.images.grounds import HIDDEN, propose, seen
from stylestudio.text import grammar
from training.datasets.captions import tags, tokens
from training.datasets.crops import plan
from training.datasets.crops.backgrounds import Ground
from training.datasets.health.dataset_facts import Facts, Picture
from training.datasets.health.findings import Finding, Fix, Level
from training.datasets.health.groups import Group, groups

# --- Limits. They follow what trainers and their users report.

MUCH_ENLARGED = 1.5  # less than half of the pixels
WIDE = 2.4  # the widest shape that SDXL was trained on is 1536 x 640
VERY_WIDE = 4.0  # most of what such a picture shows is a few pixels high
MUCH_CUT = 0.1  # share of the area cut away without anybody having checked
SOFT = 0.28  # sharpness; painted pictures have 0.47 or more, blurred by 2 px of 512 they have 0.2 to 0.37
SOFTER = 0.6  # share of the set's own median below which a picture stands out
MOSTLY_ONE = 0.85  # icons on a plain ground have up to 0.8
EMPTY = 0.98
LOW_QUALITY = 50  # of a JPEG; blocks are visible from here on
BAD_QUALITY = 25
BLOCKS = 2.0  # pictures without compression have 1.0 to 1.3, JPEG of quality 50 about 2
CRISP = 0.9  # sharpness of pixel art, whose blocks are intended
LEAST_FOR_ODD = 8  # pictures; fewer have no common look
ODD = 3.5  # robust standard deviations from the set's median
MOST_ODD = 0.1  # share of a set that can be called odd
FEW, ENOUGH, PLENTY, MANY = 10, 20, 60, 200  # pictures for a style: 10 to 30 and 20 to 50 are reported to work
SHOWN_PER_EPOCH = 300  # pictures times repeats: 1,500 steps of 2 pictures in 10 epochs
OFF_REPEATS = 2.0  # tolerated factor
FREQUENT = 0.8  # share of captions with a tag; what is in nearly all of them becomes part of the style
LEAST_FOR_TAGS = 10  # captions
MOST_TAGS_SAID = 5
MOST_PICKED = 200  # pictures in a URL


Check = Callable[[Facts], Iterable[Finding]]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    """Register a check under its function's name; findings are listed in the order of registration."""
    CHECKS[function.__name__] = function
    return function


def _pks(pictures: Iterable[Picture]) -> tuple[int, ...]:
    return tuple(picture.pk for picture in pictures)


def _leave_out(pictures: Sequence[Picture]) -> Fix:
    return Fix(ngettext("Leave it out", "Leave them out", len(pictures)), "exclude")


# --- The pictures themselves


@check
def files(facts: Facts) -> Iterator[Finding]:
    """Files that cannot be read."""
    broken = [picture for picture in facts.pictures if picture.is_broken]
    if broken:
        said = ngettext("%d picture cannot be read", "%d pictures cannot be read", len(broken)) % len(broken)
        yield Finding(Level.RED, said, _("A training would stop there."), _pks(broken), _leave_out(broken))
    elif facts.measured:
        yield Finding(Level.GREEN, _("Every file can be read"))


@check
def exact_duplicates(facts: Facts) -> Iterator[Finding]:
    """Pictures with the same pixels."""
    same = defaultdict(list)
    for picture in facts.measured:
        same[(picture.measured or {})["pixels"]].append(picture.pk)
    pairs = [(pks[0], pk) for pks in same.values() for pk in pks[1:]]
    found = groups(facts, pairs)
    extra = [pk for group in found for pk in group.others]
    if extra:
        said = ngettext("%d picture is here twice", "%d pictures are here more than once", len(extra)) % len(extra)
        reason = _("What is seen twice is learned twice as hard. The better file stays.")
        fix = Fix(_("Show pairs"), "exclude", go="health")
        yield Finding(Level.RED, said, reason, tuple(extra), fix, tuple(found))
    elif facts.measured:
        yield Finding(Level.GREEN, _("No picture is here twice"))


@check
def near_duplicates(facts: Facts) -> Iterator[Finding]:
    """Copies that were resized, compressed, slightly cropped or mirrored."""
    same = {picture.pk: (picture.measured or {})["pixels"] for picture in facts.measured}
    pairs = [(twin.first, twin.second) for twin in facts.twins if same.get(twin.first) != same.get(twin.second)]
    found = groups(facts, pairs)
    extra = [pk for group in found for pk in group.others]
    if extra:
        count = len(extra) + len(found)
        said = ngettext("%d picture is nearly the same", "%d pictures are nearly the same", count) % count
        reason = _("Resized, compressed, cut or mirrored copies. Keep the better one.")
        fix = Fix(_("Show pairs"), "exclude", go="health")
        yield Finding(Level.YELLOW, said, reason, tuple(extra), fix, tuple(found))
    elif facts.measured:
        yield Finding(Level.GREEN, _("No copies in other sizes, cut or mirrored"))


@check
def no_bucket(facts: Facts) -> Iterator[Finding]:
    """Pictures with a side so short that they cannot be trained on at all."""
    found = [facts.pictures[place] for place in facts.plan.homeless]
    if found:
        said = ngettext("%d picture fits no bucket", "%d pictures fit no bucket", len(found)) % len(found)
        reason = _("At the size of training a side has less than %d px. A training would stop there.") % plan.STEP
        yield Finding(Level.RED, said, reason, _pks(found), _leave_out(found))


@check
def too_small(facts: Facts) -> Iterator[Finding]:
    """Pictures that would have to be enlarged to fill their bucket."""
    resolution = facts.dataset.resolution
    framed = list(zip(facts.pictures, facts.plan.frames, strict=True))
    small = [(picture, frame.short) for picture, frame in framed if frame.too_small]
    if not small:
        if framed:
            yield Finding(Level.GREEN, _("Every picture is large enough for %d px") % resolution)
        return
    worst = max(short for _picture, short in small)
    pictures = [picture for picture, _short in small]
    level = Level.RED if worst > MUCH_ENLARGED else Level.YELLOW
    said = ngettext(
        "%(count)d picture is too small for %(resolution)d px",
        "%(count)d pictures are too small for %(resolution)d px",
        len(small),
    ) % {"count": len(small), "resolution": resolution}
    reason = _("Filling a bucket of this resolution means enlarging up to %.1f times, which looks soft.") % worst
    yield Finding(level, said, reason, _pks(pictures), _leave_out(pictures))


@check
def extreme_shape(facts: Facts) -> Iterator[Finding]:
    """Very wide and very tall pictures."""
    shapes = {p.pk: max(p.width / p.height, p.height / p.width) for p in facts.pictures}
    found = [picture for picture in facts.pictures if shapes[picture.pk] > WIDE]
    if found:
        worst = max(shapes[picture.pk] for picture in found)
        said = ngettext("%d picture is very wide or tall", "%d pictures are very wide or tall", len(found)) % len(found)
        reason = _("Up to %(worst).1f to 1; the base model knows shapes up to %(limit).1f to 1.")
        level = Level.RED if worst > VERY_WIDE else Level.YELLOW
        yield Finding(level, said, reason % {"worst": worst, "limit": WIDE}, _pks(found), _leave_out(found))


@check
def cut_away(facts: Facts) -> Iterator[Finding]:
    """How much of the pictures their buckets cut away."""
    framed = list(zip(facts.pictures, facts.plan.frames, strict=True))
    found = [picture for picture, frame in framed if frame.cut > MUCH_CUT and frame.usable]
    limit = round(MUCH_CUT * 100)
    if found:
        said = ngettext(
            "%(count)d picture loses more than %(limit)d %% of its area",
            "%(count)d pictures lose more than %(limit)d %% of their area",
            len(found),
        ) % {"count": len(found), "limit": limit}
        reason = _("Check whether the cut takes what matters, and move it.")
        yield Finding(Level.YELLOW, said, reason, _pks(found), Fix(_("Show crops"), go="crops"))
    elif framed:
        yield Finding(Level.GREEN, _("Less than %d %% of each picture is cut away") % limit)


@check
def lonely_buckets(facts: Facts) -> Iterator[Finding]:
    """Buckets with a single picture."""
    lonely = facts.plan.lonely
    if lonely:
        found = [facts.pictures[facts.plan.buckets[size][0]] for size in lonely]
        said = ngettext(
            "%d picture is alone in its bucket", "%d pictures are alone in their bucket", len(lonely)
        ) % len(lonely)
        reason = _("A batch holds pictures of one size only, so a picture alone is never trained together with others.")
        yield Finding(Level.YELLOW, said, reason, _pks(found), Fix(_("Show crops"), go="crops"))
    elif facts.plan.buckets:
        count = len(facts.plan.buckets)
        yield Finding(
            Level.GREEN,
            ngettext("%d bucket, and no picture alone in it", "%d buckets, and no picture alone in one", count) % count,
        )


@check
def blur(facts: Facts) -> Iterator[Finding]:
    """Pictures without a sharp edge anywhere."""
    sharpness = {picture.pk: picture.number("sharpness") or 1.0 for picture in facts.measured}
    if not sharpness:
        return
    middle = median(sharpness.values())
    # If the whole set is soft, that is its style, and only what is much softer than the others stands out.
    found = [picture for picture in facts.measured if sharpness[picture.pk] < min(SOFT, SOFTER * middle)]
    if found:
        said = ngettext("%d picture is blurred", "%d pictures are blurred", len(found)) % len(found)
        reason = _("The strongest edges are up to %.1f times as wide as usual here. The style would learn that.")
        worst = middle / min(sharpness[picture.pk] for picture in found)
        yield Finding(Level.YELLOW, said, reason % worst, _pks(found), _leave_out(found))
    elif middle < SOFT:
        yield Finding(Level.GREEN, _("Most pictures are soft, which may be the style"))
    else:
        yield Finding(Level.GREEN, _("Every picture is sharp"))


@check
def one_colour(facts: Facts) -> Iterator[Finding]:
    """Pictures that are mostly empty."""
    shares = {picture.pk: picture.number("one_colour") or 0.0 for picture in facts.measured}
    # Around an icon there is much background, which is not part of it.
    found = [each for each in facts.measured if shares[each.pk] > (EMPTY if each.has_alpha else MOSTLY_ONE)]
    if found:
        worst = max(shares[picture.pk] for picture in found)
        said = ngettext("%d picture is mostly one colour", "%d pictures are mostly one colour", len(found)) % len(found)
        reason = _("Up to %d %% of the area has the same colour, from which there is little to learn.")
        words = reason % int(worst * 100)
        yield Finding(Level.RED if worst > EMPTY else Level.YELLOW, said, words, _pks(found), _leave_out(found))


@check
def compression(facts: Facts) -> Iterator[Finding]:
    """Pictures with artefacts of strong compression."""
    found, worst = [], 100.0
    for picture in facts.measured:
        quality, blocks = picture.number("quality"), picture.number("blocks")
        low = quality is not None and quality < LOW_QUALITY
        if low or ((blocks or 1) > BLOCKS and (picture.number("sharpness") or 0) < CRISP):
            found.append(picture)
            worst = min(worst, quality if quality is not None and low else LOW_QUALITY)
    if found:
        said = ngettext("%d picture is strongly compressed", "%d pictures are strongly compressed", len(found)) % len(
            found
        )
        reason = _("The blocks of compression would become part of the style. Find a better file.")
        yield Finding(Level.RED if worst < BAD_QUALITY else Level.YELLOW, said, reason, _pks(found), _leave_out(found))
    elif facts.measured:
        yield Finding(Level.GREEN, _("No marks of compression"))


@check
def transparency(facts: Facts) -> Iterator[Finding]:
    """Transparent pictures: their background, and which of them would be invisible on it."""
    ground = facts.ground
    if ground.hidden:
        yield _hidden(ground)
    open_ones = [each for each in ground.pictures if not each.own]
    if open_ones and not ground.chosen:
        said = ngettext("%d picture is transparent", "%d pictures are transparent", len(open_ones)) % len(open_ones)
        reason = _("Training cannot use transparency. They are laid on %s; keep that, or choose another colour.")
        fix = Fix(_("Keep %s") % ground.proposed, "lay", {"colour": ground.proposed})
        yield Finding(Level.YELLOW, said, reason % ground.proposed, tuple(each.pk for each in open_ones), fix)
    elif ground.pictures and not ground.hidden:
        said = ngettext(
            "%d transparent picture has a background", "%d transparent pictures have a background", len(ground.pictures)
        )
        yield Finding(Level.GREEN, said % len(ground.pictures))


def _hidden(ground: Ground) -> Finding:
    """Pictures that are invisible on their background, and a colour on which they are visible."""
    pictures = ground.hidden
    said = ngettext(
        "%d transparent picture cannot be seen on its background",
        "%d transparent pictures cannot be seen on their background",
        len(pictures),
    ) % len(pictures)
    reason = _("It is as light, or as dark, as what it is laid on, and would be trained as an empty picture.")
    other = propose(each.colours for each in pictures)
    # One colour for all if that helps; otherwise one of their own for these pictures.
    together = ground.proposed if ground.chosen and not any(each.own for each in pictures) else ""
    fix = Fix(_("Lay on %s") % other, "flatten", {"colour": other})
    if together and all(seen(each.colours, together) >= HIDDEN for each in pictures):
        fix = Fix(_("Lay all on %s") % together, "lay", {"colour": together})
    return Finding(Level.RED, said, reason, tuple(each.pk for each in pictures), fix, key="hidden")


@check
def odd_ones(facts: Facts) -> Iterator[Finding]:
    """Pictures whose colours and texture are far from all others."""
    pictures = [picture for picture in facts.measured if picture.features]
    if len(pictures) < LEAST_FOR_ODD:
        return
    from training.datasets.health import measures  # with numpy, only when a check asks for it

    distances = measures.oddness(measures.read_features([picture.features or b"" for picture in pictures]))
    order = (-distances).argsort()[: max(1, int(len(pictures) * MOST_ODD))]
    found = [pictures[place] for place in order if distances[place] > ODD]
    if found:
        said = ngettext("%d picture does not fit the others", "%d pictures do not fit the others", len(found)) % len(
            found
        )
        reason = _("Colours and texture are far from the rest. Leave out what is not of the same style.")
        yield Finding(Level.YELLOW, said, reason, _pks(found), Fix(_("Show them"), go="health"))
    else:
        yield Finding(Level.GREEN, _("Colours and textures fit together"))


# --- Captions


@check
def missing_captions(facts: Facts) -> Iterator[Finding]:
    """Pictures without a caption."""
    found = [picture for picture in facts.pictures if not picture.caption.strip()]
    if found:
        said = ngettext("%d picture has no caption", "%d pictures have no caption", len(found)) % len(found)
        reason = _("Without words, training cannot tell the subject from the style.")
        yield Finding(
            Level.RED, said, reason, _pks(found), Fix(_("Caption them"), go="dataset", query={"only": "empty"})
        )
    elif facts.pictures:
        yield Finding(Level.GREEN, _("Every picture has a caption"))


@check
def long_captions(facts: Facts) -> Iterator[Finding]:
    """Captions that the text encoder does not read to the end."""
    lengths = {picture.pk: tokens.read(facts.dataset.compose(picture.caption)) for picture in facts.pictures}
    found = [picture for picture in facts.pictures if lengths[picture.pk].too_many]
    if found:
        longest = max((lengths[picture.pk] for picture in found), key=lambda read: read.most.number)
        said = ngettext("%d caption is too long", "%d captions are too long", len(found)) % len(found)
        reason = _(
            "Up to %(longest)d tokens with the trigger words, as %(reader)s reads them; %(limit)d are read at a time."
        )
        reader = _("a ComfyUI") if longest.most is longest.comfyui else _("sd-scripts")
        words = reason % {"longest": longest.most.number, "limit": tokens.LIMIT, "reader": reader}
        yield Finding(
            Level.YELLOW, said, words, _pks(found), Fix(_("Shorten them"), go="dataset", query={"only": "long"})
        )
    elif facts.pictures:
        yield Finding(Level.GREEN, _("Every caption fits in %d tokens") % tokens.LIMIT)


@check
def same_captions(facts: Facts) -> Iterator[Finding]:
    """Pictures with the same caption."""
    same = defaultdict(list)
    for picture in facts.pictures:
        if picture.caption.strip():
            same[tags.key(picture.caption)].append(picture.pk)
    shared = [tuple(pks) for pks in same.values() if len(pks) > 1]
    if shared:
        pictures = tuple(pk for pks in shared for pk in pks)
        said = _("%(pictures)d pictures share %(captions)d captions") % {
            "pictures": len(pictures),
            "captions": len(shared),
        }
        if len(shared) == 1:
            said = _("%d pictures have the same caption") % len(pictures)
        reason = _("Different pictures with the same words blur what the words mean.")
        fix = Fix(_("Show them"), go="dataset", query=_picked(pictures))
        yield Finding(Level.YELLOW, said, reason, pictures, fix, tuple(Group(pks[0], pks[1:]) for pks in shared))


@check
def trigger(facts: Facts) -> Iterator[Finding]:
    """Trigger words belong in the template, once."""
    words = facts.dataset.trigger_words.strip()
    if not words:
        reason = _("They call the style later, and are put in front of every caption in training.")
        yield Finding(Level.YELLOW, _("The dataset has no trigger words"), reason, fix=Fix(_("Add them"), go="edit"))
        return
    phrases = grammar.split(words)
    found = [
        picture for picture in facts.pictures if any(grammar.contains(picture.caption, phrase) for phrase in phrases)
    ]
    if found:
        said = ngettext("%d caption names the trigger words", "%d captions name the trigger words", len(found)) % len(
            found
        )
        reason = _("The template puts “%s” in front of all others. They teach best at one and the same place.") % words
        fix = Fix(_("Remove them"), "remove_trigger")
        yield Finding(Level.YELLOW, said, reason, _pks(found), fix)
    elif facts.pictures:
        yield Finding(Level.GREEN, _("Trigger words are added to every caption"))


@check
def frequent_tags(facts: Facts) -> Iterator[Finding]:
    """Tags that nearly every caption has."""
    total = sum(bool(picture.caption.strip()) for picture in facts.pictures)
    often = [entry for entry in facts.tag_counts if entry.count > FREQUENT * total]
    if total < LEAST_FOR_TAGS:
        return
    if often:
        named = ", ".join(
            _("“%(tag)s” (%(count)d)") % {"tag": each.tag, "count": each.count} for each in often[:MOST_TAGS_SAID]
        )
        said = _("In nearly all of %(total)d captions: %(tags)s") % {"total": total, "tags": named}
        reason = _("What nearly every caption names becomes part of the style, and is hard to leave out later.")
        fix = Fix(_("Show them"), go="dataset", query={"tag": often[0].tag})
        yield Finding(Level.YELLOW, said, reason, fix=fix)


@check
def typos(facts: Facts) -> Iterator[Finding]:
    """Rare tags one letter away from a frequent one."""
    found = {tags.key(typo.tag): typo for typo in tags.typos(facts.tag_counts)}
    having = defaultdict(list)
    for picture in facts.pictures if found else ():
        for key in found.keys() & tags.keys(picture.caption):
            having[key].append(picture)
    for key, typo in found.items():
        said = _("“%(tag)s” looks like a typo of “%(meant)s”") % {"tag": typo.tag, "meant": typo.meant}
        reason = ngettext(
            "Used %(count)d time, the other %(often)d times.",
            "Used %(count)d times, the other %(often)d times.",
            typo.count,
        )
        fix = Fix(_("Fix tag"), "rename_tag", {"tag": typo.tag, "new": typo.meant})
        words = reason % {"count": typo.count, "often": typo.meant_count}
        yield Finding(Level.YELLOW, said, words, _pks(having[key]), fix, key=typo.tag)


# --- The set as a whole


@check
def amount(facts: Facts) -> Iterator[Finding]:
    """Too few or too many pictures for a style."""
    count = len(facts.pictures)
    said = ngettext("%d picture", "%d pictures", count) % count
    usual = {"least": ENOUGH, "most": PLENTY}
    if count < FEW:
        reason = _("Too few for a style: it would only learn these. %(least)d to %(most)d work best.") % usual
        yield Finding(Level.RED, said, reason, fix=Fix(_("Add pictures"), go="dataset"))
    elif count < ENOUGH:
        reason = _("Few for a style. %(least)d to %(most)d work best.") % usual
        yield Finding(Level.YELLOW, said, reason, fix=Fix(_("Add pictures"), go="dataset"))
    elif count > MANY:
        reason = _("More than a style needs. %(least)d to %(most)d good ones train faster and often better.") % usual
        yield Finding(Level.YELLOW, said, reason)
    else:
        reason = _("Enough for a style. %(least)d to %(most)d work best.") % usual
        yield Finding(Level.GREEN, said, reason)


def wise_repeats(count: int) -> int:
    """A good number of repeats per epoch for `count` pictures."""
    return min(100, max(1, round(SHOWN_PER_EPOCH / count)))


@check
def repeats(facts: Facts) -> Iterator[Finding]:
    """Whether the repeats suit the number of pictures."""
    count, planned = len(facts.pictures), facts.dataset.repeats
    if not count:
        return
    shown, wise = count * planned, wise_repeats(count)
    said = _("%(count)d × %(repeats)d repeats: %(shown)s pictures in one epoch") % {
        "count": count, "repeats": planned, "shown": f"{shown:,}",
    }  # fmt: skip
    steps = _("%(steps)s steps with 2 at a time.") % {"steps": f"{facts.plan.steps(planned, 2):,}"}
    if 1 / OFF_REPEATS <= planned / wise <= OFF_REPEATS:
        yield Finding(Level.GREEN, said, steps)
        return
    reason = _("About %d are usual for one of ten epochs.") % SHOWN_PER_EPOCH
    fix = Fix(_("Set to %d") % wise, "set_repeats", {"repeats": str(wise)})
    yield Finding(Level.YELLOW, said, f"{steps} {reason}", fix=fix)


def _picked(pictures: Sequence[int]) -> Mapping[str, str]:
    """The query that shows only these on the captions page."""
    return {"pictures": ",".join(map(str, pictures[:MOST_PICKED]))}
