"""Servers behind a URL: a password stays out of what is recorded or shown, and one that is dead costs seconds.

Executors get URLs without a password, since TFX records and logs what they get; each process is told the rest.
"""

import re
from urllib.parse import unquote, urlsplit, urlunsplit

POSTGRESQL = "postgresql"
HTTP = ("http", "https")
# How long a server may take to say that it is there.
PATIENCE_S = 10

_told: dict[str, str] = {}


class ServerError(RuntimeError):
    """A server can't be used; the sentence says why and what to do."""


def bare(url: str) -> str:
    """Returns a URL without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}@{host}"))


def tell(url: str) -> None:
    """Tells this process the password of a server: where its URL comes without one, it is completed."""
    _told[bare(url)] = url


def complete(url: str) -> str:
    """Returns a URL with the password that this process was told, if any."""
    return _told.get(url, url)


def without_password(text: str, url: str) -> str:
    """Takes a URL's password out of what others say of it."""
    password = urlsplit(complete(url)).password
    for written in (password, unquote(password)) if password else ():
        text = text.replace(written, "***")
    return text


def reach(url: str) -> None:
    """Asks a server whether it is there; anything that is no server's URL is.

    Args:
      url: `http:`, `https:` for MLflow; `postgresql:`.

    Raises:
      ServerError: It isn't, or lets nobody in.
    """
    scheme = urlsplit(url).scheme
    if scheme in HTTP:
        _reach_mlflow(url)
    elif scheme == POSTGRESQL:
        _reach_postgresql(url)


def _reach_mlflow(url: str) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    credentials = get_default_host_creds(complete(url))
    try:
        asked = {"timeout": PATIENCE_S, "max_retries": 0, "raise_on_status": False}
        answer = http_request(credentials, "/health", "GET", **asked)
    except MlflowException as error:
        if "timed out" in str(error).lower():
            raise _unreachable("MLflow server", url, f"did not answer within {PATIENCE_S} s") from error
        raise _unreachable("MLflow server", url, f"answered: {_reason(url, str(error))}") from error
    if (answer.status_code, answer.text.strip()) != (200, "OK"):
        raise ServerError(
            f"An MLflow server is required. Received: {bare(url)}, whose /health answered {answer.status_code}; mend "
            "the address, or what stands before the server."
        )


def _reason(url: str, text: str) -> str:
    """Finds what matters in an error that the system and two libraries have wrapped."""
    known = r"Connection refused|Name or service not known|No route to host|Connection reset|certificate verify failed"
    found = re.search(known, text)
    return found[0] if found else without_password(" ".join(text.split()), url)[:200]


def _reach_postgresql(url: str) -> None:
    import psycopg

    try:
        psycopg.connect(complete(url), connect_timeout=PATIENCE_S).close()
    except psycopg.OperationalError as error:
        raise _refused(url, " ".join(str(error).split())) from error


def _refused(url: str, text: str) -> ServerError:
    """Says in one sentence why PostgreSQL let nobody in."""
    where, database = bare(url), urlsplit(url).path.lstrip("/")
    if f'database "{database}" does not exist' in text:
        return NoDatabaseError(
            f"A PostgreSQL database is required. Received: {where}, where there is none of that name; make it: "
            f"`createdb {database}`."
        )
    if "authentication" in text or "no password supplied" in text or "role" in text:
        reason = without_password(text, url).rpartition("FATAL: ")[2].strip()
        return ServerError(
            f"A user whom PostgreSQL lets in is required. Received: {where}, which answered: {reason}; put the "
            "password into ~/.pgpass or PGPASSWORD, or name another user."
        )
    if "timeout expired" in text:
        return _unreachable("PostgreSQL server", url, f"did not answer within {PATIENCE_S} s")
    return _unreachable("PostgreSQL server", url, f"answered: {_reason(url, text)}")


class NoDatabaseError(ServerError):
    """The server is there, the database isn't."""


def _unreachable(what: str, url: str, reason: str) -> ServerError:
    return ServerError(
        f"A reachable {what} is required. Received: {bare(url)}, which {reason}; start it, or mend the address."
    )
