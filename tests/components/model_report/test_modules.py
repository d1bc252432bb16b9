"""Whether an edit of anything that draws a report makes it be drawn anew."""

from components import model_report
from components.source import source_digest, with_imports


def test_all_that_a_report_imports_is_in_its_digest():
    imported = set(with_imports("components.model_report", "components"))
    imported |= {name for module in imported for name in with_imports(module, "models")}
    # What declares a network belongs to its training.
    declared = ("models.catalog", "models.row", "models.docstrings", "models.lenet_parts")
    drawing = {name for name in imported if not name.startswith(("components.model_report", *declared))}
    assert drawing == set(model_report.MODULES) - {"components.model_report"}
    assert source_digest(*model_report.MODULES)
