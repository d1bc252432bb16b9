import io
import json

import pytest
from rich.console import Console

import models
from components import names
from pipeline import architectures, leaderboard, tables
from pipeline.leaderboard import Row

WIDTH = 80
LONGEST = max(models.names(), key=len)
PUBLISHED = Row(
    LONGEST,
    f"digits_{LONGEST}",
    "published",
    params=25_610_152,
    macs=3_857_973_248,
    accuracy=0.98334,
    train_seconds=3605.2,
    size_bytes=102_400_000,
    p50_ms=123.456,
    version=12,
    label="champion",
)
WITHHELD = Row("lenet5", "digits_lenet5", "withheld", "the evaluation did not bless it", 61706, 416520, 0.25, version=2)
FAILED = Row("vgg", "digits_vgg", "failed", "Trainer.vgg: A finite loss is required. Received: nan in epoch 1 of vgg.")

# The keys of the design.
DESCRIBED = ["name", "family", "variant", "input_shape", "classes", "params", "trainable_params", "macs", "paper"]


def render(drawn, width=WIDTH):
    """Renders as a terminal of that width would; returns the lines without trailing blanks."""
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(drawn)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def words(line):
    return " ".join(line.split())


def test_the_longest_name_and_the_longest_values_fit_80_columns_uncut():
    lines = render(leaderboard.table([PUBLISHED, WITHHELD, FAILED], "digits, run 1"))
    assert lines[0] == "digits, run 1"
    assert words(lines[1]) == "# architecture test acc params MACs train size p50 version"
    assert words(lines[3]) == f"1 {LONGEST} 0.9833 25.6M 3.86G 1h00m 102MB 123ms v12 champion"
    assert words(lines[4]) == "2 lenet5 0.2500 61.7k 417k - - - v2 withheld"
    assert words(lines[5]) == "3 vgg - - - - - - failed"
    assert "…" not in "".join(lines)
    assert max(map(len, lines)) <= WIDTH


def test_a_name_longer_than_any_yet_still_fits():
    row = Row(**{**vars(PUBLISHED), "architecture": "densenet_bc_100_12"})
    lines = render(leaderboard.table([row], "t"))
    assert words(lines[-1]) == "1 densenet_bc_100_12 0.9833 25.6M 3.86G 1h00m 102MB 123ms v12 champion"
    assert len(lines[-1]) <= WIDTH


def test_labels_that_do_not_fit_go_on_in_the_next_line():
    row = Row(**{**vars(PUBLISHED), "architecture": "densenet_bc_100_12", "label": "challenger, champion"})
    first, second = render(leaderboard.table([row], "t"))[-2:]
    assert words(first) == "1 densenet_bc_100_12 0.9833 25.6M 3.86G 1h00m 102MB 123ms v12 challenger,"
    assert words(second) == "champion"


def test_a_path_longer_than_the_terminal_is_broken_and_not_cut():
    drawn = tables.ruled(["image", "class"], folding=["image"])
    drawn.add_row("/a/rather/long/path/to/an/image/of/a/seven.png", "seven")
    lines = render(drawn, width=30)
    assert "".join(line.partition(" ")[0] for line in lines[2:]) == "/a/rather/long/path/to/an/image/of/a/seven.png"
    assert max(map(len, lines)) <= 30


def test_below_the_table_stands_why_a_branch_was_not_published():
    skipped = Row("alexnet", "digits_alexnet", "failed", FAILED.note)
    lines = render(leaderboard.table([PUBLISHED, WITHHELD, FAILED, skipped], "t"), width=200)
    assert lines[-2:] == [f"lenet5 withheld: {WITHHELD.note}", f"vgg, alexnet failed: {FAILED.note}"]


def test_a_note_is_not_taken_for_markup():
    row = Row("vgg", "digits_vgg", "failed", "Trainer.vgg: must be one of [bold], [/]")
    assert render(leaderboard.table([row], "t"))[-1] == f"vgg failed: {row.note}"


def test_nothing_stands_below_the_table_when_all_is_published():
    assert leaderboard.notes([PUBLISHED]) == []


def test_ranks_by_accuracy_then_latency_and_what_was_not_measured_comes_last():
    def row(name, accuracy, p50):
        return Row(name, name, "published", accuracy=accuracy, p50_ms=p50)

    rows = [
        row("failed", None, None),
        row("zero", 0.0, 1.0),
        row("slow", 0.9, 5.0),
        row("unmeasured", 0.9, None),
        row("fast", 0.9, 0.5),
        row("best", 0.95, 9.0),
    ]
    assert [row.architecture for row in leaderboard.rank(rows)] == [
        "best",
        "fast",
        "slow",
        "unmeasured",
        "zero",
        "failed",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (61_706, "61.7k"),
        (999_499, "999k"),
        (999_500, "1M"),
        (2_514_000, "2.51M"),
        (999_999_999, "1G"),
        (15_470_264_320, "15.5G"),
        (5 * 10**14, "500T"),
    ],
)
def test_counts_have_three_digits(value, text):
    assert leaderboard.short(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0s"), (99.94, "99.9s"), (99.96, "1m40s"), (725, "12m05s"), (3599.4, "59m59s"), (3599.6, "1h00m")],
)
def test_durations_have_two_units(seconds, text):
    assert leaderboard.duration(seconds) == text


REGISTRATION = {
    "version": 3,
    "sha256": "ab" * 32,
    "run_id": "run",
    "parent_run_id": "parent",
    "size_bytes": 1_700_000,
    "training": {"architecture": {"params": 271_098, "macs": 2_534_912}, "train_seconds": 34.7},
    "evaluation": {"accuracy": 0.98, "example_count": 360},
    "infra": {"latency_ms": {"p50": 2.2, "p99": 4.0}},
}


PUBLICATION = {"published": True, "state": "published", "reason": "", "label": "stable", "before": None, "now": 3}


class TestRead:
    """What a branch left behind becomes a row."""

    @pytest.fixture
    def written(self, tmp_path):
        def write(file, content):
            folder = tmp_path / file
            folder.mkdir()
            (folder / file).write_text(json.dumps(content))
            return str(folder)

        return write

    @pytest.fixture
    def row(self, written):
        """Reads the row of a publication."""

        def read(fresh=True, registration=REGISTRATION, **publication):
            registered = written(names.REGISTRATION_FILE, registration)
            pushed = written(names.PUBLICATION_FILE, publication)
            return leaderboard.read("resnet20", "digits_resnet20", registered, pushed, fresh=fresh)

        return read

    def test_published(self, row):
        found = row(**PUBLICATION)
        assert (found.state, found.note, found.version, found.sha256) == ("published", "", 3, "ab" * 32)
        assert (found.params, found.macs, found.accuracy, found.p50_ms) == (271_098, 2_534_912, 0.98, 2.2)
        assert (found.train_seconds, found.size_bytes, found.parent_run_id) == (34.7, 1_700_000, "parent")
        labelled = found.with_labels({"stable": 3, "canary": 3, "old": 2})
        assert (labelled.label, labelled.note) == ("canary, stable", "")

    @pytest.mark.parametrize(
        ("before", "fresh", "note"),
        [
            (5, True, "stable moved from v5 to v3"),
            (2, True, "stable moved from v2 to v3"),
            (3, True, ""),
            (5, False, ""),
        ],
    )
    def test_published_in_place_of_another(self, row, before, fresh, note):
        found = row(fresh, **PUBLICATION | {"before": before})
        assert (found.state, found.note) == ("published", note)

    def test_published_and_rolled_back_since(self, row):
        found = row(**PUBLICATION | {"before": 2, "now": 2}).with_labels({"stable": 2})
        assert (found.state, found.label, found.note) == ("published", "", "stable stays at v2")

    def test_waiting_as_canary_until_it_is_promoted(self, row):
        found = row(**PUBLICATION | {"state": "waiting", "reason": "as canary", "label": "canary", "before": 1})
        assert (found.state, found.note) == ("waiting", "as canary; canary moved from v1 to v3")
        waiting = found.with_labels({"stable": 2, "canary": 3})
        assert (waiting.state, waiting.label, waiting.note) == ("waiting", "canary", found.note)
        back = found.with_labels({"stable": 2})
        assert (back.state, back.label, back.note) == ("published", "", "stable stays at v2"), "promoted, rolled back"
        live = found.with_labels({"stable": 3})
        assert (live.state, live.label, live.note) == ("published", "stable", "")

    def test_waiting_in_mlflow_alone(self, row):
        found = row(published=False, state="waiting", reason="in MLflow alone")
        assert found.with_labels({"stable": 2}).note == "in MLflow alone; stable stays at v2"
        assert found.with_labels({}).note == "in MLflow alone"
        assert found.with_labels({"stable": 3}).state == "published"

    def test_withheld(self, row):
        found = row(registration={**REGISTRATION, "infra": {}}, published=False, state="withheld", reason="it is slow")
        assert (found.state, found.note, found.p50_ms) == ("withheld", "it is slow", None)
        assert found.with_labels({}).note == "it is slow"
        assert found.with_labels({"stable": 2}).note == "it is slow; stable stays at v2"

    def test_failed_before_and_after_the_registration(self, written):
        early = leaderboard.read("vgg", "digits_vgg", None, None, "Trainer.vgg: no")
        assert early == Row("vgg", "digits_vgg", "failed", "Trainer.vgg: no")
        registered = written(names.REGISTRATION_FILE, REGISTRATION)
        late = leaderboard.read("vgg", "digits_vgg", registered, None, "Publisher.vgg: the disk is full")
        assert (late.state, late.note, late.accuracy) == ("failed", "Publisher.vgg: the disk is full", 0.98)


SHAPE = {"input_shape": [224, 224, 3], "classes": 1000, "params": 138_357_544, "macs": 15_470_264_320}


@pytest.mark.parametrize("width", [80, 120])
def test_architectures_stand_by_family_with_the_paper_beside_its_first(width):
    lines = render(architectures.table([{"name": name, **SHAPE} for name in models.names()]), width)
    assert max(map(len, lines)) <= width
    families = {models.variant(name).family for name in models.names()}
    assert "\n".join(lines[2:]).count("\n\n") == len(families) - 1
    rows = {line.split()[0]: words(line) for line in lines[2:] if line}
    assert tuple(rows) == models.names()
    assert rows["lenet5"] == "lenet5 224x224x3 1000 138M 15.5G LeCun et al. 1998"
    assert rows["lenet5_1998"] == "lenet5_1998 224x224x3 1000 138M 15.5G"
    assert rows["zfnet"].endswith("15.5G Zeiler and Fergus 2014")  # Of AlexNet's family, with a paper of its own.


def test_a_wide_terminal_gives_the_columns_more_room():
    facts = [{"name": name, **SHAPE} for name in models.names()]
    narrow, wide = (render(architectures.table(facts), width)[0] for width in (80, 120))
    assert len(wide) == len(narrow) + 5


def test_architectures_that_refuse_the_input_say_why_below_once_for_each_reason():
    needs = "`input_shape` must be [at least] 32 pixels a side for {} in its 'paper' form. Received: 5x5x1."
    facts = [{"name": name, "error": needs.format(name)} for name in ("vgg11", "vgg11_lrn", "vgg16")]
    facts += [{"name": "lenet5", "error": needs.replace("32", "16").format("lenet5")}, {"name": "resnet18", **SHAPE}]
    lines = render(architectures.table(facts), width=120)
    assert words(lines[2]).startswith("resnet18 224x224x3")
    assert words(" ".join(lines[3:])) == (
        f"vgg11, vgg11_lrn, vgg16: {needs.replace(' for {}', '')} "
        f"lenet5: {needs.replace(' for {}', '').replace('32', '16')}"
    )


def test_architectures_that_all_refuse_make_no_table():
    assert render(architectures.table([{"name": "lenet5", "error": "It is too small."}])) == [
        "lenet5: It is too small."
    ]


def test_describe_all_is_what_describe_says_and_tells_how_far_it_is(monkeypatch):
    monkeypatch.setattr(models, "names", lambda: ("lenet5", "vgg11", "resnet20"))
    told = []
    found = architectures.describe_all((16, 16, 1), 10, "paper", hear=told.append)
    assert found[0] == models.describe("lenet5", input_shape=(16, 16, 1), num_classes=10)
    assert found[2] == models.describe("resnet20", input_shape=(16, 16, 1), num_classes=10)
    assert list(found[2]) == DESCRIBED
    assert list(found[1]) == ["name", "family", "variant", "error"]
    assert "at least 32 pixels a side for vgg11" in found[1]["error"]
    assert told == ["importing Keras", "counting vgg11, 2 of 3", "counting resnet20, 3 of 3"]


@pytest.mark.parametrize(
    ("authors", "citation"),
    [("LeCun", "LeCun 1998"), ("Simonyan, Zisserman", "Simonyan and Zisserman 1998"), ("A, B, C", "A et al. 1998")],
)
def test_papers_are_cited_as_people_cite_them(authors, citation):
    assert architectures.citation(models.Paper("Title", authors, 1998, "https://example.org")) == citation
