"""The index of the gallery's word search, in ordinary tables that are the same in every database.

A `SearchDocument` is what tasks say in the same words and with the same styles. `SearchUse` says which words are in
which documents, `SearchPart` which words contain something, `SearchEntry` which pictures a document has, newest first.
Words are bytes, so that no locale has a say in what comes before what.
"""

from __future__ import annotations

from django.db import models

from stylestudio.people.projects import InProject


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


class SearchEntry(InProject):
    """A picture of a document, in its project. `moment` and picture sort as the gallery does."""

    picture = models.OneToOneField(
        "pictures.GeneratedImage", on_delete=models.CASCADE, primary_key=True, related_name="search_entry"
    )
    document = models.ForeignKey(SearchDocument, on_delete=models.PROTECT, related_name="entries", db_index=False)
    moment = models.BigIntegerField()  # microseconds since 1970

    class Meta:
        indexes = [
            models.Index(fields=["project", "-moment", "-picture", "document"], name="searchentry_newest"),
            models.Index(fields=["document", "project", "-moment", "-picture"], name="searchentry_document"),
        ]


class SearchProgress(models.Model):
    """How far pictures from before there was an index are in it: one row.

    From the newest picture down to this one all are; nothing is known while `moment` is None.
    """

    moment = models.BigIntegerField(null=True)
    picture = models.BigIntegerField(null=True)
    is_done = models.BooleanField(default=False)
