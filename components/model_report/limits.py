"""What a model is not good at, in sentences that follow from what was measured."""

from collections.abc import Iterator

from components.evaluation.facts import Estimate, Slice
from components.model_report import classes, confusion
from components.model_report.subject import CLASS_NAME, Subject, interval, part
from components.words import counted, cut

# Of a class with fewer test images, a score says little.
FEW = 30
LETTERS = 40


def limits(subject: Subject) -> list[str]:
    """Lists them, those that hold for all images first."""
    return [*_size(subject), *_calibration(subject), *_classes(subject), *_pairs(subject), *_slices(subject)]


def estimate(found: Estimate, digits: int = 3) -> str:
    """Writes a metric, and its interval where there is one."""
    known = interval(found)
    within = f" ({known[0]:.{digits}f} to {known[1]:.{digits}f})" if known else ""
    return f"{found.value:.{digits}f}{within}"


def _size(subject: Subject) -> Iterator[str]:
    evaluation = subject.evaluation
    if known := interval(evaluation.metrics["accuracy"]):
        yield (
            f"{counted(evaluation.examples, 'test image leaves', 'test images leave')} the accuracy uncertain: it lies "
            f"from {known[0]:.3f} to {known[1]:.3f}, with 95 % confidence."
        )
    few = [one for one in evaluation.classes if 0 < one.examples < FEW]
    if few:
        number = counted(len(few), "class has", "classes have")
        yield f"{number} fewer than {FEW} test images, so that its scores say little."
    if none := sum(not one.examples for one in evaluation.classes):
        yield f"{counted(none, 'class has', 'classes have')} no test image: nothing is known of it."


def _calibration(subject: Subject) -> Iterator[str]:
    evaluation = subject.evaluation
    error = evaluation.metrics["expected_calibration_error"]
    binned = sum(one.examples for one in evaluation.calibration)
    if not binned:
        return
    confidence = sum(one.confidence * one.examples for one in evaluation.calibration) / binned
    accuracy = sum(one.accuracy * one.examples for one in evaluation.calibration) / binned
    yield (
        f"Its probabilities are off by {estimate(error)} on average (expected calibration error): its mean confidence "
        f"is {confidence:.3f}, its accuracy {accuracy:.3f}."
    )


def _classes(subject: Subject) -> Iterator[str]:
    worst = next((one for one in classes.worst(subject) if one.examples), None)
    if worst:
        yield (
            f"The class with the lowest F1 is {cut(worst.name, LETTERS)}: F1 {worst.f1:.3f}, precision "
            f"{worst.precision:.3f}, recall {worst.recall:.3f}, {counted(worst.examples, 'test image', 'test images')}."
        )


def _pairs(subject: Subject) -> Iterator[str]:
    for row, column, times in confusion.confused(subject.confusion, 1):
        true, predicted = (cut(subject.evaluation.classes[place].name, LETTERS) for place in (row, column))
        examples = int(subject.confusion[row].sum())
        yield f"Most often confused: {true}, taken for {predicted}, {times:,} of {examples:,} times."


def _slices(subject: Subject) -> Iterator[str]:
    overall = subject.evaluation.metrics["accuracy"]
    worst = min(subject.by_property(), key=lambda one: one.metrics["accuracy"].value, default=None)
    if worst and worst.metrics["accuracy"].value < overall.value:
        yield (
            f"By properties of the images, least accurate: {part(worst, LETTERS)}, "
            f"{estimate(worst.metrics['accuracy'])} on {counted(worst.examples, 'image', 'images')}, against "
            f"{overall.value:.3f} on all."
        )


def ranked(subject: Subject, most: int) -> list[Slice]:
    """Lists the slices by property, and as many as fit of those by class, the least accurate first."""
    by_property = list(subject.by_property())[:most]
    by_class = [one for one in subject.evaluation.slices if one.feature == CLASS_NAME]
    by_class.sort(key=lambda one: one.metrics["accuracy"].value)
    return by_property + by_class[: max(0, most - len(by_property))]
