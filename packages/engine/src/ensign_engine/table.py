"""The table behind a ruleset: raw rules in, compiled flags out, each at its first use."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from ensign_engine.compiled import CompiledFlag, compile_flag, unknown_flag
from ensign_engine.counters import Counters
from ensign_engine.documents import Flags, Segments
from ensign_engine.model import FlagDefinition, SegmentDefinition, read_dependencies
from ensign_engine.settings import Settings


class Rules:
    """The raw flags and segments of one document, and their definitions, read on first use."""

    __slots__ = ("_segments", "flags", "segments")

    def __init__(self, flags: Flags, segments: Segments) -> None:
        self.flags = flags
        self.segments = segments
        self._segments: Mapping[int, SegmentDefinition] | None = None

    def segment_definitions(self) -> Mapping[int, SegmentDefinition]:
        """The segments by id."""
        if self._segments is None:
            self._segments = MappingProxyType(
                {key: SegmentDefinition.read(key, raw) for key, raw in self.segments.items()}
            )
        return self._segments


class Definitions(Mapping[str, FlagDefinition]):
    """A read-only view of the flags' definitions; each is read when it is first looked at."""

    __slots__ = ("_flags", "_read")

    def __init__(self, flags: Flags) -> None:
        self._flags = flags
        self._read: dict[str, FlagDefinition] = {}

    def __getitem__(self, name: str) -> FlagDefinition:
        found = self._read.get(name)
        if found is None:
            found = self._read.setdefault(name, FlagDefinition.read(self._flags[name]))
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._flags)

    def __len__(self) -> int:
        return len(self._flags)


class FlagTable(dict[str, CompiledFlag]):
    """Name -> compiled flag. A name that is missing is compiled on the spot; unknown ones are not kept.

    Two threads may compile one flag at once; the first to finish wins and the other's work is dropped.
    """

    __slots__ = ("counters", "definitions", "rules", "settings")

    def __init__(self, rules: Rules, settings: Settings, counters: Counters) -> None:
        super().__init__()
        self.rules = rules
        self.settings = settings
        self.counters = counters
        self.definitions = Definitions(rules.flags)

    def __missing__(self, name: str) -> CompiledFlag:
        if name not in self.rules.flags:
            return unknown_flag(name, self.counters)
        compiled = compile_flag(
            self.definitions[name],
            segments=self.rules.segment_definitions(),
            parent=self._parent,
            settings=self.settings,
            counters=self.counters,
        )
        return self.setdefault(name, compiled)

    def _parent(self, name: str) -> tuple[CompiledFlag | None, str | None]:
        """Semantics, section 8: unknown parents and parents with parents of their own satisfy nobody."""
        raw = self.rules.flags.get(name)
        if raw is None:
            return None, f"the parent {name!r} is not known"
        if read_dependencies(raw):
            return None, f"the parent {name!r} has parents of its own, and only one level is followed"
        return self[name], None

    def successor(self, flags: Flags, segments: Segments) -> "FlagTable":
        """The table for new rules; what is compiled here and means the same there is taken over."""
        new = FlagTable(Rules(flags, segments), self.settings, self.counters)
        old_segments = self.rules.segments
        changed = {key for key in old_segments.keys() | segments.keys() if old_segments.get(key) != segments.get(key)}
        for name, compiled in self.copy().items():
            plan = compiled.plan
            parents = () if plan is None else (item.definition.feature for item in plan.dependencies)
            # One level is enough: a parent that has parents itself satisfies nobody, whatever those are.
            if self._same(name, flags, changed) and all(self._same(item, flags, changed) for item in parents):
                new[name] = compiled
        return new

    def _same(self, name: str, flags: Flags, changed_segments: set[int]) -> bool:
        before, after = self.rules.flags.get(name), flags.get(name)
        if before is not after and before != after:
            return False
        compiled = self.get(name)
        if compiled is None or compiled.plan is None:
            return True
        # An id may be anything that JSON holds; only numbers name a segment.
        used = (segment.id for item in compiled.plan.strategies for segment in item.segments)
        return not any(isinstance(key, int) and key in changed_segments for key in used)
