"""NamedTuple without ``typing``, whose import takes as long as the start of Python itself.

It is used as ``typing.NamedTuple``, which is what a type checker sees. The module that uses it must have
``from __future__ import annotations``, so that its annotations are only names.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    from collections import namedtuple

    class _Declared(type):
        """Turns a class body of annotated names into a named tuple with the same methods."""

        def __new__(cls, name, bases, body):
            """Make the named tuple; a value given in the body is the default of its field."""
            fields = tuple(body.get("__annotations__", ()))
            defaults = [body.pop(field) for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])
            for attribute, value in body.items():
                if attribute not in ("__annotations__", "__module__"):
                    setattr(made, attribute, value)
            return made

    NamedTuple = type.__new__(_Declared, "NamedTuple", (), {"__doc__": "A frozen value with named fields."})
