"""The body of a child process: gets `connection` and `payload`, and sends what came of the work in it."""

import cloudpickle

from components import twin

twin.prepare(connection)  # type: ignore[name-defined]  # noqa: F821
try:
    work, arguments = cloudpickle.loads(payload)  # type: ignore[name-defined]  # noqa: F821
    answer = (True, work(*arguments))
except Exception as error:
    answer = (False, error)
connection.send(answer)  # type: ignore[name-defined]  # noqa: F821
