"""Owners of drafts for tests: they note what they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qtwisted.model.submission import Result


class NotingOwner:
    """Notes answers and requests to hold."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self.results: list[Result] = []
        self.holds: list[bool] = []

    def stored(self, result: Result) -> None:
        """Note the answer."""
        self.results.append(result)

    def hold(self) -> None:
        """Note it."""
        self.holds.append(True)

    def go_on(self) -> None:
        """Note it."""
        self.holds.append(False)

    @property
    def result(self) -> Result:
        """The one answer."""
        (result,) = self.results
        return result
