"""The account feed: who signed up when, and what is known of it, as the account service tells the door.

The table is bounded and may be kept in a file of JSON lines, so that a restart forgets nobody. A batch that was kept in
part can be sent again: the same sign-up is passed on to the log with the same event id.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from serving_stub.errors import SettingError
from serving_stub.frontdoor.caller import ClientKnown, NetworkKind
from serving_stub.frontdoor.event import Signup, SignupEvent

MOST_IN_BATCH = 500
"""A batch is taken on the event loop, where it must not hold up anybody's tokens: some 20 µs an entry."""
_ONLY_OWNER = 0o600

Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class SignupTold(BaseModel):
    """One sign-up as the feed sends it: facts that are hashed or reduced already, never a card number or a mail.

    Args:
        ts: seconds since the epoch.
        payment_fp, device_fp: the account service's own fingerprints.
        mail_pattern: such as `word-digits@disposable`.
        address: of the sign-up; used to look up its prefix, country and network, and not kept.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["signup"]
    ts: float = Field(gt=0, lt=1e11, allow_inf_nan=False)
    org: Text
    account: Text
    payment_fp: Text | None = None
    device_fp: Text | None = None
    mail_pattern: Text | None = None
    client_fp: Text | None = None
    client_known: ClientKnown = ClientKnown.UNKNOWN
    address: Text | None = Field(default=None, repr=False, exclude=True)

    @property
    def event_id(self) -> str:
        """The same for the same sign-up, however often it is told."""
        return "s-" + hashlib.blake2b(f"{self.ts}\0{self.org}\0{self.account}".encode(), digest_size=16).hexdigest()


class Told(BaseModel):
    """What became of a batch."""

    accepted: int
    rejected: list[str]


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of an account."""

    created_at: float
    signup: Signup

    def age_s(self, now: float) -> float:
        """Seconds since sign-up; 0 for one that lies ahead by a clock that differs."""
        return max(0.0, now - self.created_at)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sign-up came from."""

    network: str | None = None
    country: str | None = None
    asn: int | None = None
    kind: NetworkKind = NetworkKind.UNKNOWN


class AccountFeed:
    """The table of accounts; used on one event loop.

    Args:
        log: is given each sign-up as an event.
        look_up: where an address is, without keeping it.
        max_accounts: the oldest told are forgotten first.
        path: file of JSON lines; written anew at each start with what is still kept.

    Raises: SettingError when the file cannot be read or written.
    """

    def __init__(
        self,
        log: Callable[[SignupEvent], None],
        look_up: Callable[[str], Place] = lambda address: Place(),
        *,
        max_accounts: int = 200_000,
        path: Path | None = None,
    ) -> None:
        self._log = log
        self._look_up = look_up
        self._max_accounts = max_accounts
        self._accounts: OrderedDict[tuple[str, str], Account] = OrderedDict()
        self._path = path
        if path is not None:
            for told in _read(path):
                self._keep(told)
            self._rewrite(path)

    def __len__(self) -> int:
        return len(self._accounts)

    def get(self, org: str, account: str | None) -> Account | None:
        """What is known of an account."""
        return None if account is None else self._accounts.get((org, account))

    def tell(self, batch: Iterable[Any]) -> Told:
        """Take a batch; one bad entry harms none of the others.

        Raises: OSError when the file cannot be written: then nothing counts, and the batch is to be sent again.
        """
        taken: list[SignupTold] = []
        rejected: list[str] = []
        for index, item in enumerate(batch):
            try:
                taken.append(SignupTold.model_validate(item))
            except ValidationError as error:
                problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
                rejected.append(f"events[{index}].{'.'.join(map(str, problem['loc']))}: {problem['msg']}")
        self._append(taken)
        for told in taken:
            self._keep(told)
            self._log(self._event(told))
        return Told(accepted=len(taken), rejected=rejected)

    def _event(self, told: SignupTold) -> SignupEvent:
        place = Place() if told.address is None else self._look_up(told.address)
        return SignupEvent(
            event_id=told.event_id,
            ts=told.ts,
            org=told.org,
            account=told.account,
            signup=_signup(told),
            ip_prefix=place.network,
            country=place.country,
            asn=place.asn,
            asn_type=place.kind,
            client_fp=told.client_fp,
            client_known=told.client_known,
        )

    def _keep(self, told: SignupTold) -> None:
        key = (told.org, told.account)
        self._accounts[key] = Account(told.ts, _signup(told))
        self._accounts.move_to_end(key)
        while len(self._accounts) > self._max_accounts:
            self._accounts.popitem(last=False)

    def _append(self, taken: list[SignupTold]) -> None:
        if self._path is None or not taken:
            return
        with self._path.open("ab") as file:
            size = file.tell()
            try:
                file.write(b"".join(one.model_dump_json().encode() + b"\n" for one in taken))
                file.flush()
            except OSError:
                file.truncate(size)
                raise

    def _rewrite(self, path: Path) -> None:
        """Only what is kept, so that the file grows no further than from one start to the next."""
        temporary = path.with_name(path.name + ".new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.touch(_ONLY_OWNER)
            with temporary.open("wb") as file:
                for (org, account), known in self._accounts.items():
                    file.write(_line(org, account, known))
            temporary.replace(path)
        except OSError as error:
            raise SettingError(f"{path}: the accounts' file cannot be written: {error.strerror}") from error


def _signup(told: SignupTold) -> Signup:
    return Signup(told.payment_fp, told.device_fp, told.mail_pattern)


def _line(org: str, account: str, known: Account) -> bytes:
    told = SignupTold(
        kind="signup",
        ts=known.created_at,
        org=org,
        account=account,
        payment_fp=known.signup.payment_fp,
        device_fp=known.signup.device_fp,
        mail_pattern=known.signup.mail_pattern,
    )
    return told.model_dump_json().encode() + b"\n"


def _read(path: Path) -> Iterable[SignupTold]:
    """What the file holds; a last line that is torn was never answered, so it is left out."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise SettingError(f"{path}: the accounts' file cannot be read: {error.strerror}") from error
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            yield SignupTold.model_validate_json(line)
        except ValidationError as error:
            raise SettingError(
                f"{path}:{number}: expected a sign-up as JSON; mend the line or move the file away"
            ) from error
