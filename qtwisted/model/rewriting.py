"""What users leave out of an address, filled in: the default host, the default domain, the plus domain.

The rules are those of qmail-inject (qmail-inject.c rwgeneric), applied to every address it meets:

1. An empty address and one that ends in ``@[]`` stay as they are.
2. A source route (RFC 822 6.2.7) goes; then one trailing dot goes; then one trailing ``@``.
3. Without any ``@``, ``@`` and the default host are added.
4. An atom at the end that ends in ``+`` loses it, and a dot and the plus domain are added.
5. If the host has no dot and is no literal, a dot and the default domain are added.

In sendmail's lists (.forward, /etc/aliases) nothing is taken away from an address, and a literal is a host like any
other (dot-forward 0.71, newaliases 0.51).
"""

from __future__ import annotations

from qtwisted.model import address
from qtwisted.model.address_list import AT, ATOM, DOT, LITERAL, parse, unquote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qtwisted.model.address_list import Tokens

_EMPTY_LITERAL = (LITERAL, b"")


class Rewriting:
    """The three names in force, and the rules that use them."""

    def __init__(self, default_host: bytes, default_domain: bytes, plus_domain: bytes) -> None:
        """Take the names as their control files have them; raise Unparsable for one that is no host name."""
        self._dot_default_domain = parse(b"." + default_domain)
        self._at_default_host = parse(b"@" + default_host)
        #: the name that stands for a host which is not given
        self.default_host = unquote(self._at_default_host[1:])
        self._dot_plus_domain = parse(b"." + plus_domain)

    def rewrite(self, tokens: Tokens) -> Tokens:
        """Complete one address."""
        if tokens[-2:] == [AT, _EMPTY_LITERAL]:
            return tokens
        tokens = _without_route(tokens)
        for useless in (DOT, AT):
            if tokens and tokens[-1] == useless:
                tokens = tokens[:-1]
        if not tokens:
            return tokens
        if AT not in tokens:
            tokens = tokens + self._at_default_host
        return self._with_domain(tokens)

    def listed_address(self, tokens: Tokens) -> bytes:
        """Complete an address of sendmail's lists; an empty one stays empty."""
        text = unquote(tokens)
        if text and AT not in tokens:
            text += b"@" + self.default_host
        if text.endswith(b"+"):
            text = text[:-1] + unquote(self._dot_plus_domain)
        if text and b"." not in text.rpartition(b"@")[2]:
            text += unquote(self._dot_default_domain)
        return text

    def envelope_address(self, bare: bytes) -> bytes:
        """Complete an address that comes without quoting, as on a command line; raise Unparsable if wrong."""
        return unquote(self.rewrite(parse(_quoted(bare))))

    def _with_domain(self, tokens: Tokens) -> Tokens:
        """Complete the host of an address."""
        kind, text = tokens[-1]
        if kind == ATOM and text.endswith(b"+"):
            tokens = [*tokens[:-1], (ATOM, text[:-1]), *self._dot_plus_domain]
        for kind, _ in reversed(tokens):
            if kind in (".", LITERAL):
                return tokens
            if kind == "@":
                break
        return tokens + self._dot_default_domain


def _without_route(tokens: Tokens) -> Tokens:
    """Drop a source route; one without the colon that ends it is all there is."""
    if tokens and tokens[0] == AT:
        for at, (kind, _) in enumerate(tokens):
            if kind == ":":
                return tokens[at + 1 :]
        return []
    return tokens


def _quoted(bare: bytes) -> bytes:
    """Quote the local part where it needs that, and all of an address without ``@`` (quote.c quote2)."""
    if b"@" in bare or not bare:
        return address.quote(bare)
    return address.quote_local(bare)
