"""What holds for a fallback answer whatever the model says: its beginning, its length, and what it must fit.

The same text comes out whether an answer arrives in one piece or token by token.
"""

from __future__ import annotations

import re

from serving_stub.frontdoor.prompt_library import FallbackPrompt, pattern

_WORD = re.compile(r"\W*(\w+)")


class Guard:
    """Holds one answer to its prompt file.

    Text is let out as soon as nothing that follows can make it unfit: when `expect_regex` has matched before the end
    of what is there (RE2 looks no further than one character ahead). A file with `forbid_regex` is different, since
    what is forbidden may still come: then all is held until the answer is whole.
    """

    def __init__(self, prompt: FallbackPrompt) -> None:
        self._prompt = prompt
        self._said = ""
        self._num_out = 0
        self._is_fitting = prompt.expect_regex is None
        self.is_closed = False
        self.is_cut = False
        self.is_refused = False

    def push(self, text: str) -> str:
        """Take what the model said next; answers what may go out now, often nothing."""
        if self.is_closed:
            return ""
        self._said += text
        whole = self._with_beginning(is_whole=False)
        if whole is None:
            return ""
        if len(whole) > self._prompt.max_chars:
            self.is_cut = True
            return self._close(whole[: self._prompt.max_chars])
        if self._prompt.forbid_regex is not None or not self._fits_already(whole):
            return ""
        return self._let_out(whole)

    def finish(self) -> str:
        """The model is done; answers the rest, which is the refusal text if the answer does not fit."""
        if self.is_closed:
            return ""
        whole = self._with_beginning(is_whole=True) or ""
        if len(whole) > self._prompt.max_chars:
            self.is_cut = True
        return self._close(whole[: self._prompt.max_chars])

    def _close(self, whole: str) -> str:
        self.is_closed = True
        if self._num_out == 0 and not (self._said.strip() and self._prompt.fits(whole)):
            self.is_refused = True
            self.is_cut = False
            return self._prompt.refusal_text or ""
        return self._let_out(whole)

    def _let_out(self, whole: str) -> str:
        new = whole[self._num_out :]
        self._num_out = len(whole)
        return new

    def _fits_already(self, whole: str) -> bool:
        if not self._is_fitting:
            found = pattern(self._prompt.expect_regex or "").search(whole)
            self._is_fitting = found is not None and found.end() < len(whole)
        return self._is_fitting and bool(whole.strip())

    def _with_beginning(self, *, is_whole: bool) -> str | None:
        """The answer with its beginning, which the model may have said itself; None while that cannot be told."""
        prefix = self._prompt.answer_prefix
        if prefix is None:
            return self._said
        own = self._said.lstrip()
        word = _WORD.match(prefix)
        wanted = word[1].casefold() if word else prefix
        if len(own) < len(wanted) and not is_whole:
            return None
        return own if own[: len(wanted)].casefold() == wanted else prefix + own
