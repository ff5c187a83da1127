"""Columns that the database itself derives from a JSON text, so that they cannot differ from it."""

from __future__ import annotations

from typing import Any, Literal

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql.compiler import SQLCompiler
from django.utils.deconstruct import deconstructible

Kind = Literal["text", "integer", "boolean"]
_CASTS = {"text": "", "integer": "::bigint", "boolean": "::boolean"}


@deconstructible(path="ensign.control.audit.columns.JsonPath")
class JsonPath(models.Func):
    """The member ``path`` (dotted, e.g. ``where.project``) of the JSON text in column ``source``."""

    def __init__(
        self, source: str, path: str, kind: Kind = "text", output_field: models.Field[Any, Any] | None = None
    ) -> None:
        self.path, self.kind = path, kind
        super().__init__(models.F(source), output_field=output_field)

    def as_sqlite(
        self,
        compiler: SQLCompiler,
        connection: BaseDatabaseWrapper,  # noqa: ARG002  # Django passes it by name
        **_: Any,
    ) -> tuple[str, tuple[str | int, ...]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        path = ".".join(f'"{part}"' for part in self.path.split("."))
        return f"json_extract({column}, '$.{path}')", tuple(parameters)

    def as_postgresql(
        self,
        compiler: SQLCompiler,
        connection: BaseDatabaseWrapper,  # noqa: ARG002  # Django passes it by name
        **_: Any,
    ) -> tuple[str, list[Any]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        path = ",".join(self.path.split("."))
        return f"(({column}::jsonb) #>> '{{{path}}}'){_CASTS[self.kind]}", list(parameters)


def derived_text(source: str, path: str, *, length: int = 255) -> models.GeneratedField:
    """A stored text column derived from the JSON in ``source``."""
    field = models.CharField(max_length=length)
    return models.GeneratedField(expression=JsonPath(source, path), output_field=field, db_persist=True)


def derived_integer(source: str, path: str) -> models.GeneratedField:
    """A stored integer column derived from the JSON in ``source``."""
    return models.GeneratedField(
        expression=JsonPath(source, path, "integer"), output_field=models.BigIntegerField(), db_persist=True
    )


def derived_boolean(source: str, path: str) -> models.GeneratedField:
    """A stored boolean column derived from the JSON in ``source``."""
    return models.GeneratedField(
        expression=JsonPath(source, path, "boolean"), output_field=models.BooleanField(), db_persist=True
    )
