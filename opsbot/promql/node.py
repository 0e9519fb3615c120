"""The syntax tree as it is evaluated: what the parser yields, read once, in values of our own.

Equal parts of trees, also of different queries, are one object, so that an instant evaluates what many rules share
only once.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Literal, TypeVar
from weakref import WeakValueDictionary

import promql_parser as tree

from opsbot.promql.binary import COMPARISON, Matching
from opsbot.promql.labelset import EMPTY, NAME, LabelSet
from opsbot.promql.matcher import Matchers
from opsbot.promql.syntax import QueryError, matchers, range_and_step

MAX_REMEMBERED = 4096


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Number:
    """A literal."""

    value: float


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Text:
    """A string."""

    value: str


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Negation:
    """Minus in front of something."""

    inner: Node


@dataclass(frozen=True, slots=True)
class When:
    """`@` and `offset`: the instant that something is asked for.

    Args:
        at: seconds since the epoch, or the start or end of the whole query; None is when it is evaluated.
    """

    at: float | Literal["start", "end"] | None = None
    offset_s: float = 0.0


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Selector:
    """An instant selector."""

    matchers: Matchers
    when: When


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Range:
    """A range selector."""

    selector: Selector
    range_s: float


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Subquery:
    """An expression over a range of instants."""

    inner: Node
    range_s: float
    step_s: float
    when: When


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Binary:
    """Two sides and an operator."""

    op: str
    left: Node
    right: Node
    matching: Matching

    @property
    def is_filter(self) -> bool:
        """Whether it drops elements rather than computes."""
        return self.op in COMPARISON and not self.matching.is_bool


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Aggregation:
    """Groups reduced; `names` are kept if *is_by*, else dropped."""

    op: str
    inner: Node
    parameter: Node | None
    is_by: bool
    names: frozenset[str]


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Call:
    """A function's call."""

    name: str
    arguments: tuple[Node, ...]


Node = Number | Text | Negation | Selector | Range | Subquery | Binary | Aggregation | Call
_N = TypeVar("_N", Number, Text, Negation, Selector, Range, Subquery, Binary, Aggregation, Call)
_known: WeakValueDictionary[Hashable, Node] = WeakValueDictionary()


@lru_cache(maxsize=MAX_REMEMBERED)
def prepared(expr: tree.Expr) -> Node:
    """The node of a parsed expression.

    Raises: QueryError for what cannot be evaluated.
    """
    match expr:
        case tree.NumberLiteral():
            return _one(Number(float(expr.val)))
        case tree.StringLiteral():
            return _one(Text(expr.val))
        case tree.ParenExpr():
            return prepared(expr.expr)
        case tree.UnaryExpr():
            return _one(Negation(prepared(expr.expr)))
        case tree.VectorSelector():
            return _selector(expr)
        case tree.MatrixSelector():
            return _one(Range(_selector(expr.vector_selector), expr.range.total_seconds()))
        case tree.SubqueryExpr():
            return _one(Subquery(prepared(expr.expr), *range_and_step(expr), _when(expr)))
        case tree.BinaryExpr():
            return _one(Binary(str(expr.op), prepared(expr.lhs), prepared(expr.rhs), _matching(expr.modifier)))
        case tree.AggregateExpr():
            return _aggregation(expr)
        case tree.Call():
            return _one(Call(expr.func.name, tuple(prepared(argument) for argument in expr.args)))
    raise QueryError(f"cannot evaluate {type(expr).__name__} here")


@lru_cache(maxsize=MAX_REMEMBERED)
def is_of_presence(node: Node) -> bool:
    """Whether what is there to answer with differs from the answer: something in it filters, or asks for absence."""
    match node:
        case Binary():
            is_own = node.is_filter or node.op == "unless"
            return is_own or is_of_presence(node.left) or is_of_presence(node.right)
        case Aggregation():
            parameter = node.parameter is not None and is_of_presence(node.parameter)
            return node.op in ("topk", "bottomk") or parameter or is_of_presence(node.inner)
        case Call():
            return node.name in ("absent", "absent_over_time") or any(map(is_of_presence, node.arguments))
        case Negation() | Subquery():
            return is_of_presence(node.inner)
    return False


def certain_labels(node: Node) -> LabelSet:
    """The labels that an absent series would surely have: its equality matchers, each label matched once."""
    if isinstance(node, Range):
        node = node.selector
    if not isinstance(node, Selector):
        return EMPTY
    named = [m for m in node.matchers if m.name != NAME]
    names = [m.name for m in named]
    return LabelSet.of({m.name: m.value for m in named if m.operator == "=" and m.value and names.count(m.name) == 1})


def _selector(expr: tree.VectorSelector) -> Selector:
    return _one(Selector(tuple(matchers(expr)), _when(expr)))


def _when(expr: tree.VectorSelector | tree.SubqueryExpr) -> When:
    offset_s = expr.offset.total_seconds() if expr.offset is not None else 0.0
    if expr.at is None:
        return When(None, offset_s)
    # By its text: the parser panics when it is asked for a date before 1970.
    match str(expr.at).removeprefix("@ "):
        case "start()":
            return When("start", offset_s)
        case "end()":
            return When("end", offset_s)
        case text:
            return When(float(text), offset_s)


def _aggregation(expr: tree.AggregateExpr) -> Aggregation:
    parameter = prepared(expr.param) if expr.param is not None else None
    modifier = expr.modifier
    is_by = modifier is None or modifier.type == tree.AggModifierType.By
    names = frozenset(modifier.labels) if modifier is not None else frozenset[str]()
    return _one(Aggregation(str(expr.op), prepared(expr.expr), parameter, is_by, names if is_by else names | {NAME}))


def _matching(modifier: tree.BinModifier | None) -> Matching:
    if modifier is None:
        return Matching()
    matching, card = modifier.matching, modifier.card
    return Matching(
        is_bool=modifier.return_bool,
        is_on=matching is not None and matching.type == tree.LabelModifierType.Include,
        names=frozenset(matching.labels) if matching is not None else None,
        is_one_to_many=card == tree.VectorMatchCardinality.OneToMany,
        is_many_to_one=card == tree.VectorMatchCardinality.ManyToOne,
        group_labels=tuple(modifier.group_labels or ()),
    )


def _one(node: _N) -> _N:
    values: list[Hashable] = [getattr(node, field.name) for field in fields(node)]
    # Text tells 0.0 from -0.0.
    key = (type(node), *(repr(value) if isinstance(value, float) else value for value in values))
    found = _known.setdefault(key, node)
    assert isinstance(found, type(node))
    return found
