"""Who has which roles: by name, by a user group of Slack, and through an address."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from opsbot.people import Role
from opsbot.people_settings import PeopleSection, identities_by_email, roles_by_group, roles_by_user
from opsbot.roster import Membership, Roster

RESPONDER: frozenset[Role] = frozenset({"responder"})
COMMANDER: frozenset[Role] = frozenset({"commander"})


def test_roles_by_name_and_by_group_add_up() -> None:
    """Somebody in two groups who is named too has all of it; somebody in none has nothing."""
    known = Membership({"@oncall": frozenset({"U1", "U2"}), "S0SAFE": frozenset({"U1"})})
    roster = Roster({"U1": COMMANDER}, {"@oncall": RESPONDER, "S0SAFE": frozenset({"trust_and_safety"})}, lambda: known)
    assert roster.person("U1", "Slack").roles == {"commander", "responder", "trust_and_safety"}
    assert roster.person("U2").roles == {"responder"}
    assert roster.person("U3").roles == frozenset()


def test_who_leaves_a_group_has_its_roles_no_more() -> None:
    """The roster keeps nothing of its own."""
    known = [Membership({"@oncall": frozenset({"U1"})})]
    roster = Roster({}, {"@oncall": RESPONDER}, lambda: known[0])
    assert roster.person("U1").has("responder")
    known[0] = Membership({"@oncall": frozenset()})
    assert not roster.person("U1").has("responder")


def test_one_person_is_one_person_behind_both_doors() -> None:
    """Ada on the command line and Ada in Slack have one id and the same roles, so she cannot agree with herself."""
    known = Membership({"@oncall": frozenset({"U1"})}, {"U1": "cli:ada"})
    roster = Roster({"cli:ada": frozenset({"author"})}, {"@oncall": RESPONDER}, lambda: known)
    in_slack, at_terminal = roster.person("U1", "Slack"), roster.person("cli:ada", "API")
    assert (in_slack.user_id, at_terminal.user_id) == ("cli:ada", "cli:ada")
    assert in_slack.roles == at_terminal.roles == {"author", "responder"}


def test_a_group_that_is_not_named_gives_nothing() -> None:
    """Slack's groups have no meaning but the one that opsbot.yaml gives them."""
    roster = Roster({}, {"@oncall": RESPONDER}, lambda: Membership({"@everybody": frozenset({"U1"})}))
    assert roster.person("U1").roles == frozenset()


def test_entries_of_one_person_are_taken_together() -> None:
    """Two entries for one user, or for one group, add up."""
    people = [
        PeopleSection(user="U1", roles=("responder",)),
        PeopleSection(user="U1", roles=("author",)),
        PeopleSection(user_group="@oncall", roles=("responder",)),
        PeopleSection(user_group="@oncall", roles=("viewer",)),
        PeopleSection(user="cli:ada", email="Ada@Example.com", roles=("viewer",)),
    ]
    assert roles_by_user(people) == {"U1": {"responder", "author"}, "cli:ada": {"viewer"}}
    assert roles_by_group(people) == {"@oncall": {"responder", "viewer"}}
    assert identities_by_email(people) == {"ada@example.com": "cli:ada"}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({}, "name either `user` or `user_group`"),
        ({"user": "U1", "user_group": "@oncall"}, "name either"),
        ({"user_group": "oncall"}, "string_pattern_mismatch"),
        ({"user_group": "@oncall", "token_env": "TOKEN"}, "not to a user group"),
        ({"user": "U1", "email": "a@b"}, "a Slack user id needs none"),
        ({"user": "cli:a", "email": "nonsense"}, "string_pattern_mismatch"),
    ],
)
def test_an_entry_that_means_nobody_is_refused(entry: dict[str, str], said: str) -> None:
    """Each with what is wrong about it."""
    with pytest.raises(ValidationError) as raised:
        PeopleSection.model_validate({"roles": ["viewer"], **entry})
    assert said in str(raised.value)


def test_everybody_has_what_groups_give_them_each_once() -> None:
    """Who may instead of somebody: people by name, through a group, and both doors of one person as one."""
    known = Membership({"@oncall": frozenset({"U1", "U2"})}, {"U1": "cli:ada"})
    roster = Roster({"cli:ada": frozenset({"author"}), "U3": COMMANDER}, {"@oncall": RESPONDER}, lambda: known)
    assert roster.everybody() == {"cli:ada": {"author", "responder"}, "U2": {"responder"}, "U3": {"commander"}}
