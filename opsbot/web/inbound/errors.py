"""Why a webhook is refused. Each error knows its HTTP status, its type in the answer, and the reason it is counted by.

```
InboundError            base
├── UnauthorizedError       401  no token or signature that is valid now
├── SlowBodyError           408  the body did not come in time
├── TooLargeError           413  the body is larger than any webhook
├── WrongTypeError          415  the body is not JSON by its own account
└── MalformedError          400  the body is not what the receiver takes
```
"""

from __future__ import annotations

from typing import ClassVar

from opsbot.errors import OpsbotError


class InboundError(OpsbotError):
    """A webhook is refused as a whole; the message says what its sender must change."""

    status: ClassVar[int] = 400
    kind: ClassVar[str] = "bad_request"
    reason: ClassVar[str] = "malformed"


class UnauthorizedError(InboundError):
    """The request has no token or signature that is valid now."""

    status = 401
    kind = "not_authorized"
    reason = "unauthorized"


class SlowBodyError(InboundError):
    """The body did not come in time."""

    status = 408
    kind = "too_slow"
    reason = "too_slow"


class TooLargeError(InboundError):
    """The body is larger than the limit."""

    status = 413
    kind = "too_large"
    reason = "too_large"


class WrongTypeError(InboundError):
    """The body says that it is something else than plain JSON."""

    status = 415
    kind = "wrong_content_type"
    reason = "wrong_type"


class MalformedError(InboundError):
    """The body is no JSON, or not what the receiver takes."""


REASONS = ("unauthorized", "too_slow", "too_large", "wrong_type", "malformed", "not_stored")
"""Every value of the label `reason`; `not_stored` is core's own fault."""
