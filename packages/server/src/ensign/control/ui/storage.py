"""Static files under names that hold their hash, so that browsers may keep them for ever."""

from typing import Any, ClassVar

from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]  # ships no types


class HashedStaticStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # its base is untyped
    """WhiteNoise's manifest storage that follows module imports and ignores source map references.

    Our scripts are ES modules that import each other by relative path, so those paths must be
    rewritten to the hashed names. Source maps are never shipped, yet a dependency's file may still
    point at one (allauth's ``webauthn-json.js`` does), and the plain storage then refuses to collect.
    """

    support_js_module_import_aggregation = True
    patterns: ClassVar[Any] = tuple(
        (glob, tuple(p for p in rules if "sourceMappingURL" not in (p if isinstance(p, str) else p[0])))
        for glob, rules in CompressedManifestStaticFilesStorage.patterns
    )
