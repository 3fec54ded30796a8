"""Zips that are made while they leave."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

from stylestudio.edge import downloads


def test_a_zip_that_is_made_while_it_is_read_is_whole_and_holds_little() -> None:
    def files() -> Iterator[tuple[str, bytes]]:
        for at in range(40):
            yield f"a/{at}.bin", bytes([at]) * 100_000

    zipped = downloads.Zipped(files())
    pieces, most = [], 0
    while piece := zipped.read(65_536):
        assert len(piece) <= 65_536
        pieces.append(piece)
        most = max(most, zipped._out.waiting)
    assert most < 250_000
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 40
        assert archive.read("a/7.bin") == b"\7" * 100_000


def test_many_missing_files_are_counted_and_the_first_ones_named() -> None:
    missing = downloads.FilesMissing([f"{number}.png" for number in range(50)])
    assert str(missing).startswith("50 files are missing in the studio: 0.png, 1.png")
    assert str(missing).endswith("19.png, ….")
    assert str(downloads.FilesMissing(["a.png"])) == "1 file is missing in the studio: a.png."
