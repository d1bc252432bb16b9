"""What is said of a source that can't be used."""


class DatasetError(ValueError):
    """A data set that Convoy cannot use; the sentence says what is required, what came and what to do."""


class UnfitSourceError(DatasetError):
    """A data set whose data are bad, not its name or its settings."""
