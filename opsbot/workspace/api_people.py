"""People, their groups, the bot and the workspace itself: `users.*`, `usergroups.*`, `bots.info`, `team.info`."""

from __future__ import annotations

from opsbot.workspace.api_arguments import MAX_LIMIT, Answer, Arguments, flag, need, paged, text
from opsbot.workspace.settings import (
    APP_ID,
    BOT_ID,
    BOT_NAME,
    BOT_USER_ID,
    TEAM_DOMAIN,
    TEAM_ID,
    Member,
    UserGroup,
)
from opsbot.workspace.state import SlackError, WorkspaceState


class People:
    """Tells who there is."""

    def __init__(self, state: WorkspaceState) -> None:
        self._state = state
        self._settings = state.settings
        self.methods = {
            "auth.test": self.auth_test,
            "bots.info": self.bot,
            "team.info": self.team,
            "usergroups.list": self.groups,
            "usergroups.users.list": self.group_users,
            "users.info": self.user,
            "users.list": self.users,
            "users.lookupByEmail": self.by_email,
        }

    def auth_test(self, given: Arguments) -> Answer:
        """Who the token is."""
        return {
            "url": f"{self._state.base_url}/",
            "team": self._settings.team_name,
            "team_id": TEAM_ID,
            "user": BOT_NAME,
            "user_id": BOT_USER_ID,
            "bot_id": BOT_ID,
            "is_enterprise_install": False,
        }

    def bot(self, given: Arguments) -> Answer:
        """The bot as an app."""
        if text(given, "bot") not in ("", BOT_ID):
            raise SlackError("bot_not_found")
        return {
            "bot": {
                "id": BOT_ID,
                "deleted": False,
                "name": BOT_NAME,
                "updated": 0,
                "app_id": APP_ID,
                "user_id": BOT_USER_ID,
                "icons": {},
            }
        }

    def team(self, given: Arguments) -> Answer:
        """The workspace."""
        if text(given, "team") not in ("", TEAM_ID):
            raise SlackError("team_not_found")
        return {
            "team": {
                "id": TEAM_ID,
                "name": self._settings.team_name,
                "domain": TEAM_DOMAIN,
                "email_domain": "",
                "icon": {"image_default": True},
            }
        }

    def users(self, given: Arguments) -> Answer:
        """Everybody, the bot too."""
        return paged("members", [*map(_person, self._settings.members), _BOT], given, MAX_LIMIT)

    def user(self, given: Arguments) -> Answer:
        """Somebody by id."""
        user_id = need(given, "user")
        return {"user": _BOT if user_id == BOT_USER_ID else _person(self._member(user_id))}

    def by_email(self, given: Arguments) -> Answer:
        """Somebody by e-mail address."""
        email = need(given, "email").lower()
        found = next((member for member in self._settings.members if member.email.lower() == email), None)
        if found is None:
            raise SlackError("users_not_found")
        return {"user": _person(found)}

    def groups(self, given: Arguments) -> Answer:
        """The user groups; with their members where asked for."""
        with_users, with_count = flag(given, "include_users"), flag(given, "include_count")
        found = []
        for group in self._settings.user_groups:
            described = _group(group)
            described |= {"users": list(group.user_ids)} if with_users else {}
            described |= {"user_count": len(group.user_ids)} if with_count or with_users else {}
            found.append(described)
        return {"usergroups": found}

    def group_users(self, given: Arguments) -> Answer:
        """Who is in a group."""
        wanted = need(given, "usergroup")
        group = next((one for one in self._settings.user_groups if one.group_id == wanted), None)
        if group is None:
            raise SlackError("no_such_subteam")
        return {"users": list(group.user_ids)}

    def _member(self, user_id: str) -> Member:
        member = next((member for member in self._settings.members if member.user_id == user_id), None)
        if member is None:
            raise SlackError("user_not_found")
        return member


def _person(member: Member) -> Answer:
    profile = {
        "display_name": member.name,
        "display_name_normalized": member.name,
        "real_name": member.name,
        "real_name_normalized": member.name,
        "title": member.title,
        "team": TEAM_ID,
        **({"email": member.email} if member.email else {}),
    }
    return _described(member.user_id, member.name, profile, is_bot=False)


def _described(user_id: str, name: str, profile: Answer, *, is_bot: bool) -> Answer:
    return {
        "id": user_id,
        "team_id": TEAM_ID,
        "name": name,
        "real_name": name,
        "deleted": False,
        "tz": "Etc/UTC",
        "tz_label": "UTC",
        "tz_offset": 0,
        "profile": profile,
        "is_admin": False,
        "is_owner": False,
        "is_restricted": False,
        "is_ultra_restricted": False,
        "is_bot": is_bot,
        "is_app_user": False,
        "updated": 0,
    }


_BOT = _described(
    BOT_USER_ID,
    BOT_NAME,
    {"display_name": BOT_NAME, "real_name": BOT_NAME, "bot_id": BOT_ID, "api_app_id": APP_ID, "team": TEAM_ID},
    is_bot=True,
)


def _group(group: UserGroup) -> Answer:
    return {
        "id": group.group_id,
        "team_id": TEAM_ID,
        "is_usergroup": True,
        "is_external": False,
        "name": group.name,
        "handle": group.handle,
        "description": "",
        "date_create": 0,
        "date_update": 0,
        "date_delete": 0,
        "auto_type": None,
        "prefs": {"channels": [], "groups": []},
    }
