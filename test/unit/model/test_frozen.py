"""The light NamedTuple behaves as the one of typing."""

from __future__ import annotations

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.frozen import NamedTuple


class Sample(NamedTuple):
    """A value with a default and a method."""

    first: int
    second: bytes = b"two"

    @property
    def both(self) -> tuple[int, bytes]:
        """Give both fields."""
        return (self.first, self.second)


class FrozenTests(SynchronousTestCase):
    """Values are made, compared and changed as named tuples are."""

    def test_fields_stand_in_order_and_defaults_count(self) -> None:
        """Fields come in the order of the class body; one that is not given has its default."""
        self.assertEqual(Sample(1), (1, b"two"))
        self.assertEqual(Sample(second=b"x", first=2).both, (2, b"x"))
        self.assertEqual(repr(Sample(1)), "Sample(first=1, second=b'two')")

    def test_a_value_cannot_be_changed(self) -> None:
        """A field cannot be set and no other attribute added; _replace makes another value."""
        sample = Sample(1)
        self.assertRaises(AttributeError, setattr, sample, "first", 2)
        self.assertEqual(sample._replace(first=2), Sample(2))

    def test_docstring_and_module_are_those_of_the_class(self) -> None:
        """Documentation tools find the text and the place of the class."""
        self.assertEqual(Sample.__doc__, "A value with a default and a method.")
        self.assertEqual(Sample.__module__, __name__)

    def test_the_model_does_not_load_typing(self) -> None:
        """A light program that uses the values does not pay for typing, re, enum or dataclasses."""
        names = "address alerts date envelope events logline options oserrors received reply submission verdict"
        imports = "".join(f"import qtwisted.model.{name}\n" for name in names.split())
        heavy = "{'typing', 're', 'enum', 'dataclasses', 'twisted', 'socket', 'time'}"
        # time is built into the interpreter's start, so only what the imports add counts
        code = f"import sys\nbefore = set(sys.modules)\n{imports}print(sorted((set(sys.modules) - before) & {heavy}))"
        environ = {"PYTHONPATH": ":".join(sys.path)}
        told = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, env=environ, check=True)
        self.assertEqual(told.stdout, b"[]\n")
