"""PAM, the pluggable authentication modules of the system, as far as a name and a password need it.

The numbers are those of Linux-PAM.
"""

from __future__ import annotations

import ctypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LIBRARY = "libpam.so.0"

_RHOST = 4
_SILENT = 0x8000
_NO_EMPTY_PASSWORD = 0x1
#: prompts, with what is typed hidden or shown
_PROMPTS = (1, 2)
_CONVERSATION_ERROR = 19
#: permission denied, wrong password, no such user, too many tries, password or account expired
_NO = (6, 7, 10, 11, 12, 13)


class PamError(Exception):
    """PAM cannot say yes or no."""


class _Message(ctypes.Structure):
    """struct pam_message."""

    _fields_ = [("style", ctypes.c_int), ("text", ctypes.c_char_p)]


class _Response(ctypes.Structure):
    """struct pam_response; PAM frees both it and the text."""

    _fields_ = [("text", ctypes.c_void_p), ("unused", ctypes.c_int)]


_Converse = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.POINTER(_Message)),
    ctypes.POINTER(ctypes.POINTER(_Response)), ctypes.c_void_p,
)


class _Conversation(ctypes.Structure):
    """struct pam_conv."""

    _fields_ = [("converse", _Converse), ("data", ctypes.c_void_p)]


def library() -> Any:
    """Load PAM; None if this system has none."""
    try:
        return ctypes.CDLL(_LIBRARY)
    except OSError:
        return None


def allows(pam: Any, service: bytes, login: bytes, password: bytes, client: bytes) -> bool:
    """May this user come in with this password from this address? Raises PamError where PAM cannot tell."""
    conversation = _Conversation(_answering(password), None)
    handle = ctypes.c_void_p()
    if pam.pam_start(service, login, ctypes.byref(conversation), ctypes.byref(handle)):
        raise PamError
    flags = _SILENT | _NO_EMPTY_PASSWORD
    code = 0
    try:
        if client:
            pam.pam_set_item(handle, _RHOST, client)
        code = pam.pam_authenticate(handle, flags) or pam.pam_acct_mgmt(handle, flags)
    finally:
        pam.pam_end(handle, code)
    if code and code not in _NO:
        raise PamError
    return not code


def _answering(password: bytes) -> Any:
    """Make the function that answers every prompt with the password."""
    libc = ctypes.CDLL(None)
    libc.calloc.restype = libc.strdup.restype = ctypes.c_void_p

    def converse(count: int, messages: Any, responses: Any, data: Any) -> int:
        """Answer some messages of PAM, in memory that PAM will free."""
        memory = libc.calloc(ctypes.c_size_t(count), ctypes.c_size_t(ctypes.sizeof(_Response)))
        if not memory:
            return _CONVERSATION_ERROR
        answers = ctypes.cast(memory, ctypes.POINTER(_Response))
        for at in range(count):
            if messages[at].contents.style in _PROMPTS:
                answers[at].text = libc.strdup(password)
        responses[0] = answers
        return 0

    return _Converse(converse)
