"""What a command can end with, and the one sentence that an error becomes."""

import enum

# Our packages: every exception class that they define carries a sentence for people.
ROOMS = ("pipeline", "components", "models", "serving")
MESSAGE_LIMIT = 300


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


def is_ours(error: BaseException) -> bool:
    """Tells an error that says what to do from one that nobody foresaw: by the room that its class is at home in."""
    return type(error).__module__.partition(".")[0] in ROOMS


def sentence(error: BaseException) -> str:
    """Returns what to tell people of an error, in one line."""
    if is_ours(error):
        return _one_line(str(error))
    reason = _one_line(next(iter(str(error).strip().splitlines()), "no explanation"))[:MESSAGE_LIMIT].rstrip(".")
    return f"Unexpected {type(error).__name__}: {reason}; `convoy --debug` before the command shows where."


def exit_code(error: BaseException) -> ExitCode:
    """Returns the exit code that an error deserves."""
    return error.code if isinstance(error, ConvoyError) else ExitCode.BRANCH_FAILED


def _one_line(text: str) -> str:
    return " ".join(text.split())
