"""The model card: what it says, in Markdown as MLflow keeps it, and as a page."""

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion
from PIL import Image

import models
from components.model_report import card, report, sections
from components.model_report.limits import limits
from components.model_report.subject import Subject
from serving import protos

EVIL = [r"$\x$", "<b>bold</b>", "under_score", "名前", "x" * 300, "a\nb", "|pipe|", "**s**", "[a](http://b)", "&amp;"]


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


def shown(markdown):
    """Renders Markdown; returns what a reader sees."""
    return Page(MarkdownIt("commonmark").enable("table").render(markdown))


@pytest.fixture
def page(tmp_path):
    def write(made):
        report.write(tmp_path, made.facts, made.evaluation)
        return Page((tmp_path / "report" / card.PAGE_FILE).read_text())

    return write


def test_both_forms_say_what_was_recorded(subject, page, baseline):
    made = subject(10, evaluation={"baseline": baseline}, version=4, run_id="r" * 32, model_id="m-1")
    for form in (page(made), shown(card.markdown(made))):
        text = " ".join(form.text.split())
        for said in (
            "digits_lenet5, version 4",
            "LeNet-5, the usual modern form, trained on digits.",
            "Blessed by the evaluation: Accuracy 0.9 is at least 0.8.",
            "Infra validation: it served.",
            "8x8 pixels, grey",
            "The classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9.",
            f"{made.evaluation.metrics['accuracy'].value:.4f}",
            "0.2000 to 0.4200",
            "champion (version 3)",
            "the accuracy differs by 0.0106 (-0.0102 to 0.0314).",
            "-0.0900 (better)",
            "1,257 train, 180 validation, 360 test images in 10 classes.",
            made.facts["data"]["fingerprint"],
            "61,706 parameters",
            "Paper: LeCun",
            "One encoded image took 1.8 ms over gRPC (median; p99 3.9 ms), of Convoy's own server",
            'image_bytes=["image.png"], version=4',
            '"models:/digits_lenet5/4"',
            "(1, 8, 8, 1)",
        ):
            assert said in text, said


def test_the_page_says_where_a_model_comes_from_and_so_does_markdown_that_has_room(subject, page, baseline):
    made = subject(10, run_id="r" * 32, model_id="m-1")
    told = (made.facts["sha256"], made.facts["code_version"], "r" * 32, "m-1", "execution 10, model 8, evaluation 9")
    for text in (page(made).text, shown(card.markdown(made)).text):
        assert all(one in text for one in (*told, "375,749", "2.21.0", "3.15.1"))
    crowded = card.markdown(subject(10, evaluation={"baseline": baseline}, version=4, run_id="r" * 32, model_id="m-1"))
    assert crowded.endswith("Provenance: see model\\_card.html.\n")


def test_a_model_not_yet_registered_has_no_version(subject):
    text = shown(card.markdown(subject(10))).text
    assert "version" not in text.splitlines()[0]
    assert "models:/digits_lenet5@champion" in text
    assert "MLflow run" not in text


def test_what_stops_a_model_is_said(subject):
    made = subject(10, evaluation={"blessed": False})
    made.facts["infra"] |= {"blessed": False, "message": "it took\n  9 ms"}
    del made.facts["infra"]["latency_ms"]
    text = shown(card.markdown(made)).text
    assert "Not blessed by the evaluation" in text
    assert "it did not pass: it took 9 ms." in text
    assert "1 threshold: 1 does not hold." in text
    assert "gRPC (median" not in text
    assert "There was no champion to compare it with." in text


@pytest.mark.parametrize("number", [2, 10, 100, 1000])
def test_the_markdown_fits_into_mlflows_database(subject, number):
    longest = SqlModelVersion.__table__.c.description.type.length
    text = card.markdown(subject(number, evaluation={"each": 10}))
    assert len(text) <= card.LONGEST <= longest - 300
    assert {"## Use", "## Metrics", "## Limits", "## How to ask it"} <= set(text.splitlines())


def test_sections_that_do_not_fit_are_named(subject, baseline):
    made = subject(names=[letter * 200 + "_" for letter in "abcdefghijkl"], evaluation={"baseline": baseline})
    made.facts["infra"]["message"] = "x" * 9000
    made.facts["infra"]["blessed"] = False
    text = card.markdown(made)
    assert len(text) <= card.LONGEST
    left_out = shown(text).text.strip().splitlines()[-1]
    assert left_out.endswith(": see model_card.html.")
    assert "How to ask it" in left_out
    assert "## How to ask it" not in text
    assert "## Limits" in text


def test_names_that_mean_something_elsewhere_are_shown_as_they_are(subject, page, tmp_path):
    made = subject(names=EVIL, evaluation={"accuracy": 0.5}, model_name="digits_<i>lenet5</i>")
    html, markdown = page(made), shown(card.markdown(made))
    for found in (html, markdown):
        text = " ".join(found.text.split())
        assert "digits_<i>lenet5</i>" in text
        for name in EVIL:
            written = " ".join(name.split())
            assert written[:39] in text, name
        assert not {"b", "i", "a", "em", "strong", "script"} & set(found.tags)
    assert "<title>Model card: digits_&lt;i&gt;" in card.page(made, tmp_path / "report")


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60))
def test_any_text_comes_out_of_markdown_as_it_went_in(text):
    rendered = shown(f"| a |\n| --- |\n| {card._escaped(f'x{text}x')} |\n")
    assert rendered.text.split() == f"a x{text}x".split()


def test_the_page_is_one_file_without_scripts(subject, page):
    found = page(subject(100))
    assert not {"script", "link", "iframe", "object", "embed", "form", "svg"} & set(found.tags)
    assert {loaded.partition(",")[0] for loaded in found.loads} == {"data:image/png;base64"}
    assert len(found.loads) == 7
    for loaded in found.loads:
        Image.open(io.BytesIO(base64.b64decode(loaded.partition(",")[2]))).verify()
    assert "class_099" in found.text, "every class is in the table"


class TestTraining:
    def rows(self, made):
        (found,) = [one for one in sections.sections(made) if one.title == "Training"]
        return found, {row[0]: row[1:] for row in found.table.rows} if found.table else {}

    def test_what_differs_from_the_networks_own_recipe_comes_first(self, subject):
        made = subject(10)
        made.facts["training"]["recipe"] |= {"learning_rate": 0.3, "patience": 4}
        made.facts["training"]["tuned"] = {"learning_rate": 0.3}
        section, rows = self.rows(made)
        own = models.recipe("lenet5", "small")
        assert rows == {
            "learning_rate": ("0.3", f"{own.learning_rate:g}", "the search"),
            "patience": ("4", "0", "the config"),
        }
        assert "learning_rate" not in section.sentences[2]
        assert f"optimizer {own.optimizer}, momentum {own.momentum:g}" in section.sentences[2]

    def test_a_recipe_that_nobody_changed_says_so_also_after_json(self, subject):
        made = subject(10)
        facts = json.loads(json.dumps(made.facts))
        section, rows = self.rows(Subject(facts, made.evaluation))
        assert rows == {}
        assert section.sentences[1] == "By the network's own recipe."


class TestLimits:
    def test_they_name_the_worst_class_pair_and_slice_with_their_numbers(self, subject):
        made = subject(10)
        worst = min(made.evaluation.classes, key=lambda one: one.f1)
        found = " ".join(limits(made))
        assert f"The class with the lowest F1 is {worst.name}: F1 {worst.f1:.3f}" in found
        assert "least accurate: brightness dark (below 85 of 255), " in found
        assert "360 test images leave the accuracy uncertain" in found
        assert "Most often confused: " in found
        assert "its mean confidence is 0.860" in found

    def test_a_perfect_model_has_no_pair_and_no_slice(self, subject):
        made = subject(3, evaluation={"accuracy": 1})
        slices = [one for one in made.evaluation.slices if one.feature == "class_name"]
        changed = Subject(made.facts, made.evaluation.model_copy(update={"slices": tuple(slices)}))
        assert not any("confused" in one or "least accurate" in one for one in limits(changed))

    def test_small_and_missing_classes_are_told(self, subject):
        made = subject(10)
        few, none, *rest = made.evaluation.classes
        scores = (few.model_copy(update={"examples": 3}), none.model_copy(update={"examples": 0, "f1": 0.0}), *rest)
        found = limits(Subject(made.facts, made.evaluation.model_copy(update={"classes": scores})))
        assert "1 class has fewer than 30 test images, so that its scores say little." in found
        assert "1 class has no test image: nothing is known of it." in found
        assert not any(f"lowest F1 is {none.name}:" in one for one in found)


class TestQuery:
    def code(self, subject, **facts):
        (found,) = [one for one in sections.sections(subject(10, **facts)) if one.code]
        return found.code

    def test_the_python_examples_compile(self, subject):
        for language, text in self.code(subject, version=2):
            if language == "python":
                compile(text, "card", "exec")

    @pytest.mark.parametrize("version", [None, 2])
    def test_the_request_of_grpcurl_is_one_that_a_server_understands(self, subject, version):
        text = self.code(subject, **({"version": version} if version else {}))[2][1]
        request = re.search("-d '(.*)' ", text)[1].replace(
            "'$(base64 -w0 image.png)'", base64.b64encode(b"png").decode()
        )
        (path,) = Path(protos.__file__).parent.glob("*.binpb")
        assert f"serving/protos/{path.name}" in text
        pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file:
            pool.Add(file)
        kind = pool.FindMessageTypeByName("tensorflow.serving.PredictRequest")
        parsed = json_format.Parse(request, message_factory.GetMessageClass(kind)(), descriptor_pool=pool)
        assert parsed.model_spec.name == "digits_lenet5"
        assert parsed.model_spec.version.value == (version or 0)
        assert parsed.inputs["image_bytes"].string_val == [b"png"]
        service, method = text.split()[-1].split("/")
        assert pool.FindServiceByName(service).FindMethodByName(method).input_type == kind
