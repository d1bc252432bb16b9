"""`convoy predict`: asks a model server which class images are."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from pipeline import tables
from pipeline.errors import ConvoyError, UsageError
from pipeline.workspace import Workspace
from serving import running
from serving.client import Client, InvalidRequestError, ModelNotFoundError, ServerUnavailableError


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the model says of one image."""

    image: str
    model: str
    version: int
    class_name: str
    class_id: int
    probability: float


def server_of(root: str) -> str:
    """Finds the server of a workspace; where there is none, the usual port of this machine may have one."""
    return running.find(Workspace(Path(root)).server_file) or "127.0.0.1:8500"


def ask(server: str, model: str, images: Sequence[str], version: int | None, label: str | None) -> list[Answer]:
    """Asks about image files.

    Raises:
      UsageError: A file isn't an image, or the server has no such model, version or label.
      ConvoyError: There is no server.
      ConvoyClientError: The server doesn't answer, or fails.
    """
    try:
        with Client(server) as client:
            prediction = client.predict(model, image_bytes=list(images), version=version, label=label)
    except ServerUnavailableError as error:
        raise ConvoyError(f"{error} `convoy serve` starts one.") from error
    except ModelNotFoundError as error:
        raise UsageError(f"{error} `convoy status` lists what is published.") from error
    except InvalidRequestError as error:
        raise UsageError(str(error)) from error
    return [
        Answer(image, prediction.model, prediction.version, row.class_name, row.class_id, row.probability)
        for image, row in zip(images, prediction, strict=True)
    ]


def table(answers: list[Answer]) -> Table:
    """Draws the answers."""
    first = answers[0]
    columns = ("image", "class", "probability")
    drawn = tables.ruled(
        columns, numbers=["probability"], folding=["image", "class"], title=f"{first.model} version {first.version}"
    )
    for answer in answers:
        drawn.add_row(answer.image, answer.class_name, f"{answer.probability:.4f}")
    return drawn
