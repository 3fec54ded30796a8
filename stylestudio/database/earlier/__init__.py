"""How databases were made before today's rooms: the migrations of that time, by app. Not an app itself.

`stylestudio.database.conversion` applies those that a database lacks, and then moves its rows into today's tables.
Nothing here ever changes.
"""

from __future__ import annotations

# The room that each model moved to, by its former app and name. All others stayed where they were.
ROOMS = {
    ("generation", "engine"): "engines",
    ("generation", "engineprompt"): "pictures",
    ("generation", "generatedimage"): "pictures",
    ("generation", "generationtask"): "pictures",
    ("generation", "reference"): "pictures",
    ("generation", "taskstyle"): "pictures",
    ("generation", "face"): "previews",
    ("generation", "probe"): "previews",
    ("training", "captionchange"): "datasets",
    ("training", "captionoperation"): "datasets",
    ("training", "dataset"): "datasets",
    ("training", "datasetimage"): "datasets",
    ("training", "datasetjob"): "datasets",
    ("training", "datasetsnapshot"): "datasets",
    ("training", "foreigntext"): "datasets",
    ("training", "reading"): "datasets",
    ("training", "snapshotimage"): "datasets",
    ("training", "waitingcaption"): "datasets",
    ("training", "checkpoint"): "runs",
    ("training", "logblock"): "runs",
    ("training", "lossblock"): "runs",
    ("training", "sample"): "runs",
    ("training", "trainingjob"): "runs",
}

# Every database that can be converted has these: the state of 28 November 2026, before noon.
OLDEST = (
    ("generation", "0004_faces"),
    ("styles", "0005_checkpoints"),
    ("stylestudio", "0002_uploads"),
    ("training", "0004_doing"),
)
