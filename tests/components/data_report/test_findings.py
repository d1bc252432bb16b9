"""What speaks against data, and what doesn't yet."""

import pytest

from components.data_report.drift import ENOUGH, Drift
from components.data_report.findings import Findings, judge
from components.ingestion import Ingestion, Quarantined, SplitCounts


def ingestion(train=(50, 50), bad=0, **others):
    """Says of a data set how many images each class of each split has, and how many of train were kept out."""
    counts = {"train": train, "validation": (5, 5), "test": (5, 5)} | others
    splits = {split: SplitCounts(sum(classes), sum(classes), 0, {}, classes) for split, classes in counts.items()}
    splits["train"] = SplitCounts(sum(train) + bad, sum(train), bad, {}, train)
    rows = tuple(Quarantined("train", f"{number}.jpg", "", "truncated") for number in range(bad))
    return Ingestion("pets", "f1", tuple(f"class{number}" for number in range(len(train))), splits, rows)


def sentences(found, anomalies=None, drifts=(), limit=0.01):
    return [objection.sentence for objection in judge(found, anomalies or {}, drifts, limit).objections]


@pytest.mark.parametrize(
    ("bad", "limit", "stops"), [(0, 0.0, False), (1, 0.0, True), (29, 0.29, False), (30, 0.29, True), (60, 1.0, False)]
)
def test_the_limit_itself_may_be_reached(bad, limit, stops):
    # Of a hundred; and 29 of them is 0.29, though 0.29 * 100 is less than 29.
    assert bool(sentences(ingestion((70 - bad, 10), bad), limit=limit)) == stops


def test_the_share_is_of_all_splits():
    assert sentences(ingestion((900, 77), 13), limit=0.0125) == [
        "13 of 1,010 images (1.29 %) were kept out: 13 truncated; `dataset.max_bad_fraction` allows 1.25 %"
    ]


def test_classes_with_none_or_one_example_are_named():
    assert sentences(ingestion((50, 1))) == ["class 'class1' has one example in train"]
    assert sentences(ingestion((0, 50))) == ["class 'class0' has no example in train"]
    assert sentences(ingestion((0,) * 7 + (1, 1, 2))) == [
        "7 classes have no example in train: 'class0', 'class1', 'class2', 'class3', 'class4' and 2 more",
        "2 classes have one example in train: 'class7', 'class8'",
    ]


def test_each_empty_split_is_named_and_an_empty_train_split_speaks_for_its_classes_and_anomalies():
    assert sentences(ingestion(validation=(0, 0), test=(0, 0))) == [
        "the validation split is empty",
        "the test split is empty",
    ]
    assert sentences(ingestion((0, 0)), {"test": ["height: New column"]}) == ["the train split is empty"]


@pytest.mark.parametrize(
    ("distance", "images", "stops"), [(0.2, ENOUGH, True), (0.1, ENOUGH, False), (1.0, ENOUGH - 1, False)]
)
def test_drift_counts_above_its_limit_where_there_are_images_enough(distance, images, stops):
    drift = Drift("train", "height", "Jensen-Shannon", distance, 0.1, images)
    assert bool(sentences(ingestion(), drifts=[drift])) == stops


def test_findings_are_read_as_they_were_written(tmp_path):
    found = judge(ingestion((1, 50), 9), {"test": ["height: New column"]}, [], 0.01)
    found.write(tmp_path)
    assert Findings.read(tmp_path) == found
    assert len(found.objections) == len(found.remedies) == 3
