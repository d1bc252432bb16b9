"""Writes the report of one model: pictures, the architecture as text, and the model card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = "report"
ARCHITECTURE = "architecture"


def write(directory: Path, facts: Mapping[str, Any], evaluation: Any) -> list[Path]:
    """Draws all pictures and writes the card.

    Args:
      directory: In which `report/` goes.
      facts: As the Registrar gathers them.
      evaluation: An `Evaluation`.

    Returns:
      The files, in `report/`.
    """
    import matplotlib

    from components.drawing import DPI, STYLE, png
    from components.model_report import calibration, card, classes, confusion, curves, diagram, gallery, slices
    from components.model_report.subject import Subject

    folder = directory / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    subject = Subject(facts, evaluation)
    stages = diagram.network(subject)
    pictures = {
        "learning_curves": curves.draw,
        "confusion_matrix": confusion.draw,
        "classes": classes.draw,
        "calibration": calibration.draw,
        "mistakes": gallery.draw,
        "slices": slices.draw,
        ARCHITECTURE: lambda subject: diagram.draw(subject, stages),
    }
    with matplotlib.rc_context(STYLE):
        for name, draw in pictures.items():
            (folder / f"{name}.png").write_bytes(png(draw(subject), DPI))
    (folder / f"{ARCHITECTURE}.txt").write_text(diagram.text(subject, stages), encoding="utf-8")
    card.write(folder, subject)
    return sorted(folder.iterdir())
