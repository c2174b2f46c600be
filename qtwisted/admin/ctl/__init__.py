"""The commands of qmailctl, one module each: ``arguments`` declares its words, ``run`` does it."""


class Refused(Exception):
    """What was asked for cannot be done; the text is for the operator."""

