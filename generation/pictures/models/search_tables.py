"""The index of the gallery's word search, in ordinary tables that are the same in every database.

A `SearchDocument` is what tasks say in the same words and with the same styles. `SearchUse` says which words are in
which documents, `SearchPart` which words contain something, `SearchEntry` which pictures a document has, newest first.
Words are bytes, so that no locale has a say in what comes before what.
"""

from __future__ import annotations

from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from stylestudio.people.projects import InProject

# The facts that an entry can be found by; so each has an index.
INDEXED = ("owner", "kind", "preset", "seed", "rating", "named")


class SearchDocument(models.Model):
    """The folded prompt of tasks (`search_words.fold`) that have it in common, as well as their styles."""

    id = models.AutoField(primary_key=True)
    digest = models.BinaryField(max_length=16, unique=True)  # of all that tasks of a document have in common
    text = models.TextField()
    is_face = models.BooleanField()

    def __str__(self) -> str:
        return self.text[:80]


class SearchWord(models.Model):
    """A word of documents, or the key of a style."""

    id = models.AutoField(primary_key=True)
    word = models.BinaryField(max_length=64, unique=True)


class SearchPart(models.Model):
    """The end of a word from one of its letters on, so that words that contain something are a range."""

    # Rows are only added, together with their word: a check of each would cost more than the row.
    pk = models.CompositePrimaryKey("part", "word_id")
    part = models.BinaryField(max_length=64)
    word = models.ForeignKey(
        SearchWord, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )


class SearchUse(models.Model):
    """A word of a document."""

    # Rows are only added, together with their document: a check of each would cost more than the row.
    pk = models.CompositePrimaryKey("word_id", "document_id")
    word = models.ForeignKey(
        SearchWord, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    document = models.ForeignKey(
        SearchDocument, on_delete=models.DO_NOTHING, related_name="uses", db_constraint=False, db_index=False
    )


class SearchName(models.Model):
    """A checkpoint or the name of a preset, so that an entry has a number for it."""

    class Kind(models.IntegerChoices):
        """What it names."""

        CHECKPOINT = 1
        PRESET = 2

    id = models.AutoField(primary_key=True)
    kind = models.SmallIntegerField(choices=Kind.choices)
    name = models.CharField(max_length=255)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "name"], name="searchname_once")]

    def __str__(self) -> str:
        return self.name


class Orientation(models.IntegerChoices):
    """The three shapes that a wall is filtered by."""

    SQUARE = 1, _("Square")
    PORTRAIT = 2, _("Portrait")
    LANDSCAPE = 3, _("Landscape")

    @classmethod
    def of(cls, width: int, height: int) -> Orientation:
        """That of a picture of this size."""
        return cls.SQUARE if width == height else cls.PORTRAIT if width < height else cls.LANDSCAPE


class SearchKind(models.Model):
    """What pictures have in common of which a studio has only some hundred kinds, so that one index finds all of it."""

    id = models.AutoField(primary_key=True)
    engine = models.IntegerField()
    checkpoint = models.IntegerField()  # a `SearchName`
    shape = models.SmallIntegerField(choices=Orientation.choices)
    has_alpha = models.BooleanField()
    is_base = models.BooleanField()  # made without a style

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["engine", "checkpoint", "shape", "has_alpha", "is_base"], name="searchkind_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.pk}"


class EntryQuerySet(models.QuerySet["SearchEntry"]):
    """Queries of entries. A key is a moment and a picture."""

    def before(self, key: tuple[int, int]) -> Self:
        """Those older than a key."""
        moment, picture = key
        # The database seeks in the index by the first condition.
        return self.filter(Q(moment__lte=moment) & (Q(moment__lt=moment) | Q(picture__lt=picture)))

    def after(self, key: tuple[int, int]) -> Self:
        """Those newer than a key."""
        moment, picture = key
        return self.filter(Q(moment__gte=moment) & (Q(moment__gt=moment) | Q(picture__gt=picture)))


class SearchEntry(InProject):
    """A picture of a document that is not in the trash, in its project. `moment` and picture sort as the gallery does.

    The other columns are facts that walls are filtered by, so that none asks the wide tables. They are numbers without
    foreign keys, and null in entries from before there were facts, which workers fill in slices. An index holds only
    what is known: so adding it to a million entries takes a moment, and what is rare takes no room.
    """

    picture = models.OneToOneField(
        "pictures.GeneratedImage", on_delete=models.CASCADE, primary_key=True, related_name="search_entry"
    )
    document = models.ForeignKey(SearchDocument, on_delete=models.PROTECT, related_name="entries", db_index=False)
    moment = models.BigIntegerField()  # microseconds since 1970
    owner = models.IntegerField(null=True)  # the facts are known if this is
    is_private = models.BooleanField(null=True)
    is_face = models.BooleanField(null=True)
    kind = models.IntegerField(null=True)  # a `SearchKind`
    preset = models.IntegerField(null=True)  # a `SearchName`; null if there was none
    seed = models.BigIntegerField(null=True)
    rating = models.SmallIntegerField(null=True)  # the team's average of 1 to 5, times 100; null before anybody rates
    named = models.IntegerField(null=True)  # the document of the name of its file, if that was taken over

    objects: ClassVar[EntryQuerySet] = EntryQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        indexes = [
            models.Index(fields=["project", "-moment", "-picture", "document"], name="searchentry_newest"),
            models.Index(fields=["document", "project", "-moment", "-picture"], name="searchentry_document"),
            *(
                models.Index(
                    fields=["project", fact, "moment", "picture"],
                    condition=Q((f"{fact}__isnull", False)),
                    name=f"searchentry_{fact}",
                )
                for fact in INDEXED
            ),
        ]


class SearchStyle(models.Model):
    """A version of a style that a picture was made with, in the order of the gallery.

    Rows are plain numbers and mean something as long as the picture has an entry.
    """

    pk = models.CompositePrimaryKey("project", "style", "moment", "picture", "version")
    project = models.IntegerField()
    style = models.IntegerField()
    moment = models.BigIntegerField()
    picture = models.BigIntegerField()
    version = models.IntegerField()

    class Meta:
        indexes = [models.Index(fields=["project", "version", "moment", "picture"], name="searchstyle_version")]


class Progress(models.Model):
    """How far pictures from before an update are seen to: one row.

    From the newest picture down to this one all are; none is while `moment` is None.
    """

    moment = models.BigIntegerField(null=True)
    picture = models.BigIntegerField(null=True)
    is_done = models.BooleanField(default=False)

    class Meta:
        abstract = True


class SearchProgress(Progress):
    """How far the words of pictures from before there was an index are in it."""


class FactProgress(Progress):
    """How far the facts of entries from before there were facts are known. One who works on it moves on."""
