"""Installing: what ``make it`` collects, and how ``make setup`` puts it into a home, also into one that is in use."""


class Refused(Exception):
    """It cannot be installed as asked; the text is for the administrator."""
