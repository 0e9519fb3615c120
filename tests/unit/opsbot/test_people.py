"""Roles: a commander is a responder too, and a stranger is nobody."""

from __future__ import annotations

from opsbot.people import Person, person_for


def test_roles_imply_what_they_say() -> None:
    """Only commander implies another role, and only responder."""
    commander = Person("U1", frozenset({"commander"}))
    assert commander.has("responder")
    assert commander.has("commander")
    assert not commander.has("trust_and_safety")
    assert not Person("U2", frozenset({"responder"})).has("commander")


def test_a_stranger_has_no_role() -> None:
    """Whoever opsbot.yaml does not name may do nothing."""
    assert person_for("U9", {"U1": frozenset({"viewer"})}).roles == frozenset()
