"""The commands of qmailctl, one module each: ``arguments`` declares its words, ``run`` does it."""

