"""Run tests with trial and end with one line that counts them: ``N passed, N failed[, N skipped]``.

Synopsis::

    python -m test.kit.summary [--jobs N] NAME...

It is run from the directory that holds ``test``. The numbers come from trial's own results. What went wrong in any
way counts as failed, and so does a test that was expected to fail and did not. With $QTWISTED_COUNTS the line is
written to that file, too.

Exit code: 0 if no test failed and at least one passed, else 1.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.scripts import trial


def counts(result: Any) -> tuple[int, int, int]:
    """How many tests passed, failed and were skipped."""
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    return result.successes + len(result.expectedFailures), failed, len(result.skips)


def line(passed: int, failed: int, skipped: int) -> str:
    """The numbers in words."""
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def main() -> int:
    """Run the tests that the command line names."""
    # Workers must find this package called test, and not the one that lies beside their own script.
    os.environ["PYTHONSAFEPATH"] = "1"
    config: Any = trial.Options()
    config.parseOptions(sys.argv[1:])
    result = trial._makeRunner(config).run(trial._getSuite(config))
    numbers = counts(result)
    text = line(*numbers)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    if "QTWISTED_COUNTS" in os.environ:
        with open(os.environ["QTWISTED_COUNTS"], "w", encoding="ascii") as file:
            file.write(text + "\n")
    return 0 if numbers[0] and not numbers[1] else 1


if __name__ == "__main__":
    sys.exit(main())
