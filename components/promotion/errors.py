"""Why nothing was moved, in sentences."""


class PromotionError(Exception):
    """Label and alias stand where they stood."""


class UnknownVersionError(PromotionError):
    """There is no such model, version or alias."""


class NotBlessedError(PromotionError):
    """The version did not pass the gate, and nobody asked for it all the same."""


class NothingToMoveError(PromotionError):
    """There is nowhere to go back to, or what is live already was to be a canary."""


class PromotionBusyError(PromotionError):
    """Another process promotes this model."""
