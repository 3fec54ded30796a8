"""The trash: what was deleted, until when it can be restored, how it is emptied, and what the studio takes on disk.

Uses `pictures`, which keeps a row for each picture in the trash (`generation.pictures.models.trash_entries`). Begin
with `emptying`: how a picture's files are freed and what stays of it. `schedule` says when, `uses` what is left alone.
"""
