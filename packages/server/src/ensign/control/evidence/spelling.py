"""Names in place of ids, in what pages of the log say about changes. States name groups and people by id alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ensign.control.evidence.pages import LogRow, Touched
from ensign.control.projects.knowing import spelled
from ensign.control.ui import looks


def lines(rows: Sequence[LogRow]) -> list[LogRow]:
    """Lines of the log as people read them."""
    return [replace(row, told=text) for row, text in zip(rows, spelled(row.told for row in rows), strict=True)]


def touched(found: Sequence[Touched]) -> list[Touched]:
    """Objects of an entry: their sentences and rows as people read them; the states below stay as they are."""
    texts = iter(spelled(text for one in found for text in _texts(one.difference)))
    return [replace(one, difference=_spelled(one.difference, texts)) for one in found]


def _texts(difference: looks.Difference) -> Iterator[str]:
    yield from difference.sentences
    for row in difference.rows:
        yield from (row.before or "", row.after or "")


def _spelled(difference: looks.Difference, texts: Iterator[str]) -> looks.Difference:
    """``texts`` gives those of :func:`_texts`, in that order."""
    sentences = tuple(next(texts) for _ in difference.sentences)
    rows = []
    for row in difference.rows:
        before, after = next(texts), next(texts)
        rows.append(
            replace(row, before=None if row.before is None else before, after=None if row.after is None else after)
        )
    return replace(difference, sentences=sentences, rows=tuple(rows))
