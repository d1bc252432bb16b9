"""What a command can end with."""

import enum


class ExitCode(enum.IntEnum):
    """Exit codes of `convoy`, documented in the README."""

    OK = 0
    BRANCH_FAILED = 1
    USAGE = 2
    DATA_GATE = 3
    NOTHING_BLESSED = 4
    LOCKED = 5


class ConvoyError(Exception):
    """An error that a user can act on: one sentence, and the exit code of the command."""

    def __init__(self, message: str, code: ExitCode = ExitCode.BRANCH_FAILED) -> None:
        super().__init__(message)
        self.code = code


class UsageError(ConvoyError):
    """A wrong config, argument or place."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.USAGE)
