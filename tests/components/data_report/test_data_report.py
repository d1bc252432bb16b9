"""Real example files through StatisticsGen, SchemaGen, ExampleValidator and the report."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components.data_report import samples
from components.data_report.findings import Findings
from components.ingestion import Ingestion, Quarantined

# To matplotlib, what is between dollars is mathematics, and this is a mistake in it.
EVIL = r"$\x$<script>alert(1)</script>"


class Page(HTMLParser):
    """What a browser would make of a page: its tags, the text that it shows, and what it loads."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.loads = [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [value for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        self.text += data

    def pictures(self):
        return [Image.open(io.BytesIO(base64.b64decode(loaded.partition(",")[2]))) for loaded in self.loads]


def page_of(folder):
    return Page((folder / "data_report.html").read_text())


def sentences(folder):
    return [objection.sentence for objection in Findings.read(folder).objections]


def statistics_of(artifact, split):
    content = Path(artifact.uri, f"Split-{split}", "FeatureStats.pb").read_bytes()
    found = statistics_pb2.DatasetFeatureStatisticsList.FromString(content).datasets[0]
    return {feature.path.step[0]: feature for feature in found.features}, content


def schema_of(artifact):
    return text_format.Parse(Path(artifact.uri, "schema.pbtxt").read_text(), schema_pb2.Schema())


def test_sound_data_give_a_page_and_a_picture_and_no_objection(report, sound):
    folder = report(sound)
    assert sentences(folder) == []
    text = page_of(folder).text
    assert "700 images (400 train, 60 validation, 240 test) in 2 classes" in text
    assert "Every image is 8x8 pixels, grey." in text
    assert "Every class has 200 images to train on." in text
    assert "No earlier data to compare with." in text
    assert "The data stop the run" not in text
    overview = Image.open(folder / "data_report.png")
    assert min(overview.size) > 1000
    assert np.asarray(overview.convert("L")).std() > 10


def test_the_page_is_one_file_without_scripts(report, sound):
    page = page_of(report(sound))
    assert not {"script", "link", "iframe", "object", "embed", "form", "svg"} & set(page.tags)
    assert {loaded.partition(",")[0] for loaded in page.loads} == {"data:image/png;base64"}
    for picture in page.pictures():
        picture.verify()


def test_statistics_count_images_and_hold_none(sound):
    features, content = statistics_of(sound["statistics"], "train")
    assert set(features) == {"image", "label", "class_name", "height", "width", "channels", "brightness"}
    assert features["image"].WhichOneof("stats") == "bytes_stats"
    assert features["image"].bytes_stats.common_stats.num_non_missing == 400
    top = features["class_name"].string_stats.top_values
    assert {one.value: one.frequency for one in top} == {"cat": 200, "dog": 200}
    assert features["brightness"].num_stats.mean == pytest.approx(0.5, abs=0.05)
    assert b"PNG" not in content
    assert b"__BYTES_VALUE__" not in content


def test_an_empty_split_comes_to_the_gate_with_its_own_sentence_alone(report, checked, noise):
    found = checked({"train": noise(40), "test": noise(40, seed=1)})
    assert statistics_of(found["statistics"], "validation")[0] == {}
    schema = schema_of(found["schema"])
    assert len(schema.feature) == 7
    assert {feature.lifecycle_stage for feature in schema.feature} == {schema_pb2.UNKNOWN_STAGE}
    assert sentences(report(found)) == ["the validation split is empty"]


def test_an_empty_train_split_is_told_without_the_anomalies_that_follow_from_it(report, checked, noise):
    folder = report(checked({"validation": noise(4), "test": noise(4, seed=1)}))
    assert sentences(folder) == ["the train split is empty"]
    assert "There are no images to measure." in page_of(folder).text


def test_anomalies_are_told_by_split_and_feature(report, checked, noise):
    images = {"train": noise(40), "validation": noise(4), "test": noise(4)}
    found = sentences(report(checked(images, without={"test": ("brightness",)})))
    assert found == ["anomaly in test/brightness: Column is completely missing"]


def test_a_test_split_with_fewer_classes_and_larger_images_is_no_anomaly(report, checked, noise):
    cats = [one for one in noise(40, shape=(9, 12)) if one[1] == 0]
    assert sentences(report(checked({"train": noise(40), "validation": noise(4), "test": cats}))) == []


@pytest.fixture(scope="module")
def dark(checked, noise):
    """Darker images, three quarters of those to train on cats, and as large as the others."""
    train = [(encoded, int(number % 4 == 0)) for number, (encoded, _) in enumerate(noise(400, brightness=40, seed=5))]
    return checked({"train": train, "validation": noise(400, brightness=40), "test": noise(30, brightness=40)})


def moved(folder):
    return [sentence.partition(" moved by ")[0] for sentence in sentences(folder)]


def test_drift_is_told_by_feature_split_distance_and_limit(report, sound, dark):
    folder = report(dark, sound["statistics"])
    # Sixty images were in the validation split, thirty are in the test split now: too few to tell.
    assert moved(folder) == ["class_name of train", "brightness of train"]
    balance, brightness = sentences(folder)
    assert balance == "class_name of train moved by 0.25 (L-infinity) from the data before; the limit is 0.1"
    assert float(re.search(r"moved by ([0-9.]+) \(Jensen-Shannon\)", brightness)[1]) > 0.5
    assert "2 of 12 distances are above their limit" in page_of(folder).text


def test_no_limit_is_a_limit_of_one(report, sound, dark):
    assert sentences(report(dark, sound["statistics"], max_drift=1.0)) == []


def test_the_same_data_have_not_moved(report, sound):
    folder = report(sound, sound["statistics"], max_drift=0.0)
    assert sentences(folder) == []
    assert "No distance from the earlier data is above its limit; splits too small" in page_of(folder).text


def test_a_schemas_own_comparator_goes_before_the_limit(report, sound, dark, tmp_path):
    curated = schema_of(dark["schema"])
    (brightness,) = (feature for feature in curated.feature if feature.name == "brightness")
    brightness.drift_comparator.jensen_shannon_divergence.threshold = 1
    artifact = type(dark["schema"])()
    artifact.uri = str(tmp_path / "curated")
    Path(artifact.uri).mkdir()
    Path(artifact.uri, "schema.pbtxt").write_text(text_format.MessageToString(curated))
    assert moved(report(dark | {"schema": artifact}, sound["statistics"])) == ["class_name of train"]


def test_names_of_classes_and_files_are_text_on_the_page(report, ingested, sound, noise):
    rows = [Quarantined("train", f"{EVIL}.jpg", EVIL, EVIL, "<b>&amp;</b>")]
    found = ingested({"train": noise(400)}, class_names=("cat", EVIL), quarantine=rows, source=f"/data/{EVIL}")
    page = page_of(report(sound | found))
    assert "script" not in page.tags
    assert page.text.count(EVIL) >= 5
    assert f"{EVIL}.jpg" in page.text
    assert "<b>&amp;</b>" in page.text


def test_what_was_kept_out_is_on_the_page_the_worst_first_with_its_picture(report, ingested, sound, noise, encode):
    rows = [Quarantined("train", f"{number:02}.jpg", "cat", "truncated", picture="7.png") for number in range(40)]
    rows[1] = Quarantined("train", "01.jpg", "cat", "truncated", picture="gone.png")
    found = ingested({"train": noise(400)}, quarantine=rows)
    picture = encode(np.full((3, 5), 77, np.uint8))
    Path(found["ingestion"].uri, "7.png").write_bytes(picture)
    folder = report(sound | found)
    assert sentences(folder)[0] == (
        "40 of 440 images (9.09 %) were kept out: 40 truncated; `dataset.max_bad_fraction` allows 1 %"
    )
    page = page_of(folder)
    assert re.findall(r"\d\d\.jpg", page.text) == [f"{number:02}.jpg" for number in range(30)]
    assert "10 more are in quarantine.csv." in page.text
    assert page.loads.count(f"data:image/png;base64,{base64.b64encode(picture).decode()}") == 29


def test_two_hundred_classes_of_grey_and_coloured_images_of_all_sizes(report, ingested, sound, encode):
    random = np.random.default_rng(0)
    names = [f"class {number}" for number in range(198)] + ["日本語", "a name that is longer than any other, by far"]
    shapes = [(20, 300, 3), (300, 20), (1, 1), (64, 64, 3)]
    images = [
        (encode(random.integers(0, 256, shapes[label % 4], np.uint8), "JPEG"), label)
        for label in range(200)
        for _ in range(12 if label == 150 else 2)
    ]
    folder = report(sound | ingested({"train": images, "validation": images[:9], "test": images[:9]}, names))
    page = page_of(folder)
    assert "180 smaller classes not shown." in page.text
    assert page.text.count("日本語") == 1  # In the table of all classes.
    small = [picture for picture in page.pictures() if max(picture.size) <= 128]
    assert len(small) == 8 + 19 * 2
    assert {picture.mode for picture in small} == {"L", "RGB"}
    assert {max(picture.size) for picture in small} == {1, 64, 128}
    assert (128, 9) in {picture.size for picture in small}
    Image.open(folder / "data_report.png").verify()


def test_pictures_are_kept_of_the_largest_classes_alone(ingested, noise):
    """However many classes and images there are, the report holds no more than it shows."""
    class_names = tuple(f"class {number}" for number in range(1_000))
    picture = noise(1)[0][0]
    rows = [(picture, label) for label in range(1_000) for _ in range(12 if label % 50 == 7 else 3)]
    found = ingested({"train": rows}, class_names=class_names)
    classes = Ingestion.read(Path(found["ingestion"].uri)).splits["train"].classes
    drawn = samples.draw(Path(found["examples"].uri) / "Split-train", classes)
    assert sorted(label for label, pictures in drawn.pictures.items() if pictures) == list(range(7, 1_000, 50))
    assert {len(pictures) for pictures in drawn.pictures.values()} == {8}
