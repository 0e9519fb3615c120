"""Every error that the server raises on purpose outside its engine.

```
ServingError
├── SettingError            a setting or a file of this server is wrong; the message says what to do
│   └── FileError           a file, with every problem as `file:line:column: message`
├── CalibrationError        measured steps say too little to fit a cost to
├── JournalError            the lease journal cannot be read or written
├── LeaseError              a lease operation cannot be done; `code` is the contract's word for it
│   ├── UnknownKnob · ValueOutOfRange · InvalidValue · OnEndNotAllowed · TooManyLeases
│   ├── IdempotencyKeyReused · RevisionMismatch
│   ├── LeaseNotFound · LeaseEnded
│   └── CommandNotFound · CommandRunning · NotHealthy · OutageLimitExceeded
└── TrafficError            the traffic generator cannot reach or use its server
```
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class ServingError(Exception):
    """Base of every error the server raises on purpose; its text is ready to show."""


class SettingError(ServingError):
    """A setting or a file of this server is wrong."""


class FileError(SettingError):
    """A file is wrong; its text is the problems, one a line."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class CalibrationError(ServingError):
    """Measured steps say too little to fit a cost to; the message says what to measure."""


class JournalError(ServingError):
    """The lease journal cannot be read or written, so no lease may be promised."""


class LeaseError(ServingError):
    """A lease operation cannot be done."""

    code: ClassVar[str]


class UnknownKnob(LeaseError):
    """The server has no knob of that name."""

    code = "unknown_knob"


class ValueOutOfRange(LeaseError):
    """The value lies outside what the knob allows."""

    code = "value_out_of_range"


class InvalidValue(LeaseError):
    """The value is not of the kind that the knob takes."""

    code = "invalid_value"


class OnEndNotAllowed(LeaseError):
    """The end of such a lease cannot mean that."""

    code = "on_end_not_allowed"


class TooManyLeases(LeaseError):
    """The knob has as many leases as it may have."""

    code = "too_many_leases"


class RevisionMismatch(LeaseError):
    """The knob's leases are not those that the writer has seen.

    Args:
        knob: by name.
    """

    code = "revision_mismatch"

    def __init__(self, message: str, knob: str) -> None:
        super().__init__(message)
        self.knob = knob


class IdempotencyKeyReused(LeaseError):
    """The key was used before with other content."""

    code = "idempotency_key_reused"


class LeaseNotFound(LeaseError):
    """No lease has that id."""

    code = "lease_not_found"


class LeaseEnded(LeaseError):
    """The lease has ended and cannot be renewed."""

    code = "lease_ended"


class CommandNotFound(LeaseError):
    """No command has that id."""

    code = "command_not_found"


class CommandRunning(LeaseError):
    """Another command of that kind is not done yet."""

    code = "command_running"


class NotHealthy(LeaseError):
    """The server is not well enough to be taken back."""

    code = "not_healthy"


class OutageLimitExceeded(LeaseError):
    """More of the fleet would be out at once than its limits allow."""

    code = "outage_limit_exceeded"


class TrafficError(ServingError):
    """The traffic generator cannot reach or use its server."""
