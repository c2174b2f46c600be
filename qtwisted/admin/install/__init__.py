"""Installing: what ``make it`` collects, and how ``make setup`` puts it into a home, also into one that is in use."""
