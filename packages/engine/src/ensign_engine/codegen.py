"""One Python function per flag, generated from the flag's shape and compiled once per shape.

The source holds only names that this module makes up (`d0`, `v0`, ...): every value of a flag is bound as a
closure cell through the factory's parameters and never written into source text. Flags of one shape hence
give the same source, and the source itself is the key of the bounded cache of compiled factories.

The function takes a context and gives an outcome code: 0 for off, k + 1 for the strategy at position k, 1 for
a flag whose list of strategies is empty. Whatever goes wrong inside it hands the context to `rescue`, the
interpreter, which copes with everything.
"""

import os
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any

from ensign_engine.bucketing import unchecked_hash, well_formed
from ensign_engine.constraints import Test
from ensign_engine.context import EMPTY, FIELDS, PROPERTIES, lookup
from ensign_engine.memo import Memo
from ensign_engine.parsing import instant_of, instant_text
from ensign_engine.plans import OFF, DependencyPlan, FlagPlan, StrategyPlan
from ensign_engine.strategies import Addresses, Always, Custom, Members, Never, Plan, Rollout, Share

Decide = Callable[[Any], int]

MAX_SHAPES = 1_024
"""How many compiled shapes a process keeps; the least recently used one goes first."""

TEXT = "!"
"""Marks, among the names of what is loaded, a variable that is known to hold text or None."""

MAX_CELLS = 2_000
"""A flag with more bound values than this is interpreted: compiling it would cost more than it saves."""

_GLOBALS = {
    "__builtins__": {"type": type, "str": str, "Exception": Exception},
    "E": EMPTY,
    "lookup": lookup,
    "h": unchecked_hash,
}
_factories: OrderedDict[str, Callable[..., Decide]] = OrderedDict()
_lock = Lock()


def _after_fork() -> None:
    """A forked child gets a lock of its own: the parent's may be held by a thread that the child does not have."""
    global _lock
    _lock = Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(after_in_child=_after_fork)


def compile_decide(plan: FlagPlan, rescue: Decide) -> Decide:
    """The function for `plan`; `rescue` is asked for contexts that the quick code cannot handle."""
    if plan.off is not None:
        return _never
    emitter = _Emitter(plan)
    emitter.emit()
    if len(emitter.cells) > MAX_CELLS:
        return rescue
    return _factory(emitter.source())(rescue, *emitter.cells)


def shapes() -> int:
    """How many shapes the cache holds now."""
    return len(_factories)


def source_of(plan: FlagPlan) -> str:
    """The source text for `plan`, for tests and the curious."""
    emitter = _Emitter(plan)
    emitter.emit()
    return emitter.source()


def _never(_context: Any) -> int:
    return OFF


def _factory(source: str) -> Callable[..., Decide]:
    with _lock:
        found = _factories.get(source)
        if found is not None:
            _factories.move_to_end(source)
            return found
    namespace: dict[str, Any] = {}
    # The source is made of this module's own words alone; tests prove that no flag's value reaches it.
    exec(compile(source, "<ensign flag>", "exec"), dict(_GLOBALS), namespace)  # noqa: S102
    factory: Callable[..., Decide] = namespace["make"]
    with _lock:
        _factories[source] = factory
        while len(_factories) > MAX_SHAPES:
            _factories.popitem(last=False)
    return factory


class _Emitter:
    """Writes one flag's function; `cells` are the values to bind, in the order of the parameters."""

    def __init__(self, plan: FlagPlan) -> None:
        self.plan = plan
        self.settings = plan.settings
        self.cells: list[object] = []
        self.lines: list[str] = []
        self.indent = 3
        self.fail = "return 0"
        self.names: dict[str, str] = {}
        self.slow: dict[str, str] = {}
        self.custom: set[str] = set()
        # What is loaded on this path, and what every path into the next strategy has loaded.
        self.loaded: set[str] = set()
        self.sure: set[str] = set()
        self.straight = True

    def source(self) -> str:
        """The whole source text of the factory."""
        parameters = "".join(f", d{index}" for index in range(len(self.cells)))
        head = [f"def make(rescue{parameters}):", " def decide(c):", "  try:"]
        tail = ["  except Exception:", "   return rescue(c)", " return decide", ""]
        return "\n".join(head + self.lines + tail)

    def emit(self) -> None:
        """Write the body: dependencies first, then the strategies in order."""
        for dependency in self.plan.dependencies:
            self._dependency(dependency)
        if not self.plan.strategies:
            self._line("return 1")
            return
        alive = [(code, item) for code, item in enumerate(self.plan.strategies, 1) if not item.dead]
        for position, (code, strategy) in enumerate(alive):
            last = position == len(alive) - 1
            self.straight = True
            self.loaded = set(self.sure)
            if not last:
                self._line("while True:")
                self.indent += 1
            self.fail = "return 0" if last else "break"
            self._strategy(strategy)
            self._line(f"return {code}")
            if not last:
                self.indent -= 1
            if self.straight:  # nothing could fail: what follows is never reached
                return
        if not alive:
            self._line("return 0")

    def _line(self, text: str) -> None:
        self.lines.append(" " * self.indent + text)

    def _bind(self, value: object) -> str:
        self.cells.append(value)
        return f"d{len(self.cells) - 1}"

    def _fail_if(self, condition: str) -> None:
        self.straight = False
        self._line(f"if {condition}: {self.fail}")

    def _dependency(self, dependency: DependencyPlan) -> None:
        wanted, parent = dependency.definition, dependency.parent
        if parent is None:
            self._fail_if("True")
        elif not wanted.enabled:
            self._fail_if(f"{self._bind(parent.decide)}(c)")
        elif wanted.variants:
            self._line(f"e = {self._bind(parent.choose)}(c)")
            self._fail_if(f"not e.enabled or e.variant.name not in {self._bind(frozenset(wanted.variants))}")
        else:
            self._fail_if(f"not {self._bind(parent.decide)}(c)")

    def _strategy(self, strategy: StrategyPlan) -> None:
        for test in strategy.all_tests():
            self._test(test)
        self._plan(strategy.plan)

    def _remember(self, what: str) -> None:
        self.loaded.add(what)
        if self.straight:
            self.sure.add(what)

    def _load(self, field: str, *, raw: bool = False, now: bool = True) -> str:
        """The variable that holds the context's value of `field` (text or None), loaded at most once a path.

        `raw` allows a value that is not text yet, for a test that normalises only what it does not know.
        `now=False` leaves an absent `currentTime` absent.
        """
        key = field if now or field != "currentTime" else "currentTime?"
        variable = self.names.setdefault(key, f"v{len(self.names)}")
        if key not in self.loaded:
            default = self.settings.static_context.get(field)
            extra = "" if default is None else f", {self._bind(default)}"
            name = self._bind(field)
            self.slow[variable] = f"lookup(c, {name}{extra})"
            if field == PROPERTIES:
                self._line(f"{variable} = {self.slow[variable]}")
            elif field in FIELDS or default is not None:
                self._line(f"{variable} = c.get({name})")
            else:
                self.custom.add(variable)
                self._load_custom(variable, name)
            self._remember(key)
        if not raw and key + TEXT not in self.loaded:
            absent = f" and {variable} is not None" if variable in self.custom else ""
            self._line(f"if type({variable}) is not str{absent}: {variable} = {self.slow[variable]}")
            if key == "currentTime":
                clock = self.settings.now
                self._line(f"if {variable} is None: {variable} = {self._bind(lambda: instant_text(clock()))}()")
            self._remember(key + TEXT)
        return variable

    def _load_custom(self, variable: str, name: str) -> None:
        """An attribute of the application's own: at the top level, else among the properties."""
        if "p" + TEXT not in self.loaded:
            self._line("p = c.get('properties')")
            self._line("if p is None: p = E")
            self._remember("p" + TEXT)
        self._line(f"if {name} in c:")
        self._line(f" {variable} = c[{name}]")
        self._line(f" if {variable} is None: {variable} = p.get({name})")
        self._line(f"else: {variable} = p.get({name})")

    def _test(self, test: Test) -> None:
        if isinstance(test.data[0], Memo):
            self._memo_test(test, test.data[0])
        elif test.form in {"in", "is"}:
            self._membership(test.field, "in" if test.form == "in" else "==", test.data[0], negated=test.negated)
        else:
            self._text_test(test)

    def _membership(self, field: str, operator: str, values: object, *, negated: bool) -> None:
        data = self._bind(values)
        if negated or field == "currentTime":
            value = self._load(field)
            self._fail_if(f"{value} {operator} {data}" if negated else f"not {value} {operator} {data}")
            return
        # What is among the values is text; only what is not needs a closer look.
        value = self._load(field, raw=True)
        absent = f" or {value} is None" if value in self.custom else ""
        self._line(f"if not {value} {operator} {data}:")
        self.indent += 1
        self._fail_if(f"type({value}) is str{absent}")
        self._line(f"{value} = {self.slow[value]}")
        self._fail_if(f"not {value} {operator} {data}")
        self.indent -= 1

    def _remembered(self, field: str, memo: Memo) -> None:
        """What is known to pass costs one look; text or not matters only for what is not known."""
        value = self._load(field, raw=True)
        self._line(f"if {value} not in {self._bind(memo.yes)}:")
        self.indent += 1
        self._fail_if(f"{value} in {self._bind(memo.no)}")
        self._line(f"if type({value}) is not str: {value} = {self.slow[value]}")
        self._fail_if(f"not {self._bind(memo.ask)}({value})")
        self.indent -= 1

    def _text_test(self, test: Test) -> None:
        negated, value = test.negated, self._load(test.field)
        text = f"{value}.lower()" if test.lower else value
        data = self._bind(test.data[0])
        match test.form:
            case "starts":
                found = f"{text}.startswith({data})"
            case "ends":
                found = f"{text}.endswith({data})"
            case "contains":
                found = f"{data} in {text}"
            case _:
                self._fail_if(f"not {self._bind(test.holds)}({value})")
                return
        self._fail_if(f"{value} is not None and {found}" if negated else f"{value} is None or not {found}")

    def _memo_test(self, test: Test, memo: Memo) -> None:
        if test.field != "currentTime":
            self._remembered(test.field, memo)
            return
        compare = test.compare_instant
        value = self._load("currentTime", now=compare is None)
        if compare is None:
            self._fail_if(f"not {self._bind(memo.test)}({value})")
            return
        clock = self.settings.now
        ask_now = self._bind(lambda: compare(instant_of(clock())))
        self._line(f"if {value} is None: r = {ask_now}()")
        self._line(f"else: r = {self._bind(memo.test)}({value})")
        self._fail_if("not r")

    def _plan(self, plan: Plan) -> None:
        match plan:
            case Always():
                pass
            case Never():
                self._fail_if("True")
            case Members(field, values):
                self._membership(field, "in", values, negated=False)
            case Share(percentage):
                self._fail_if(f"{self._bind(self.settings.random)}() * 100 >= {self._bind(percentage)}")
            case Custom(_, call):
                self._fail_if(f"not {self._bind(call)}(c)")
            case Addresses(memo):
                self._remembered("remoteAddress", memo)
            case Rollout():
                self._rollout(plan)

    def _rollout(self, plan: Rollout) -> None:
        random_identifier = self.settings.random_identifier
        if plan.stickiness == "random":
            self._line(f"i = {self._bind(random_identifier)}()")
        elif plan.stickiness == "default":
            self._line(f"i = {self._load('userId')}")
            self._line("if not i:")
            name = self._bind("sessionId")
            default = self.settings.static_context.get("sessionId")
            extra = "" if default is None else f", {self._bind(default)}"
            self._line(f" i = lookup(c, {name}{extra})")
            self._line(f" if not i: i = {self._bind(random_identifier)}()")
        else:
            self._line(f"i = {self._load(plan.stickiness)}")
            self._fail_if("not i")
        if plan.percentage < 100:
            prefix = self._bind(well_formed(plan.group + ":"))
            # Text that UTF-8 cannot carry must not reach the hash (see bucketing): encoding it raises.
            self._line("if not i.isascii(): i.encode()")
            # bucket = h % 100 + 1 <= percentage  <=>  h % 100 < percentage
            self._fail_if(f"h({prefix} + i, 0, False) % 100 >= {self._bind(plan.percentage)}")
