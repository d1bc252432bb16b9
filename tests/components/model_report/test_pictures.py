"""The pictures of a model, drawn for real and opened again."""

import io
import warnings

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from components.drawing import DPI, STYLE, WIDTH, legible, png
from components.model_report import calibration, classes, confusion, curves, diagram, gallery, report, slices
from components.model_report.subject import Subject
from models.registry import outline
from models.stages import stages

PICTURES = ("architecture", "calibration", "classes", "confusion_matrix", "learning_curves", "mistakes", "slices")
EVIL = [r"$\x$", "<b>bold</b>", "under_score", "名前", "x" * 300, "a\nb", "|pipe|", "**", "[a](http://b)", "&amp;", ""]


def texts(figure):
    found = figure.findobj(matplotlib.text.Text)
    return " ".join(" ".join(text.get_text().split()) for text in found)


def drawn(draw, *arguments):
    """Draws it as the report does; returns what it says, and its pixels."""
    with matplotlib.rc_context(STYLE):
        figure = draw(*arguments)
        image = Image.open(io.BytesIO(png(figure, DPI)))
    return texts(figure), np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("number", [2, 10, 100, 1000])
def test_every_picture_is_as_wide_as_the_others_and_shows_something(subject, tmp_path, number):
    made = subject(number)
    written = report.write(tmp_path, made.facts, made.evaluation)
    assert {path.name for path in written} == {
        *(f"{name}.png" for name in PICTURES), "architecture.txt", "model_card.md", "model_card.html"
    }  # fmt: skip
    for name in PICTURES:
        with Image.open(tmp_path / "report" / f"{name}.png") as image:
            image.load()
            assert image.width == round(WIDTH * DPI), name
            assert 200 < image.height < 3000, name
            assert np.asarray(image.convert("L")).std() > 10, name


def test_the_same_facts_give_the_same_bytes(subject, tmp_path):
    made = subject(12, baseline=None)
    once, again = (report.write(tmp_path / name, made.facts, made.evaluation) for name in ("once", "again"))
    assert [path.name for path in once] == [path.name for path in again]
    for one, two in zip(once, again, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name


def test_names_that_mean_something_elsewhere_are_drawn_as_they_are(subject):
    made = subject(names=EVIL, evaluation={"accuracy": 0.4, "mistakes": 20})
    for draw in (confusion.draw, classes.draw, gallery.draw, slices.draw):
        said, _ = drawn(draw, made)
        assert r"$\x$" in said
    said, _ = drawn(confusion.draw, made)
    assert "<b>bold</b>" in said
    assert "a b" in said
    assert "class 3" in said, "a name in letters that the font lacks"
    assert "x" * 17 + "…" in said
    assert "x" * 18 not in said


def test_a_name_that_the_font_can_draw_stays_and_another_is_a_number():
    assert legible("çà №", 7) == "çà №"
    assert legible("日本", 7) == "class 7"
    assert legible(" \n", 7) == "class 7"
    with warnings.catch_warnings(), matplotlib.rc_context(STYLE):
        warnings.simplefilter("error")
        figure = matplotlib.figure.Figure()
        figure.text(0, 0, legible("日本", 7))
        figure.savefig(io.BytesIO())


class TestConfusion:
    def test_a_few_classes_have_their_counts(self, subject):
        made = subject(10)
        said, _ = drawn(confusion.draw, made)
        counts = made.confusion
        wrong = counts.sum() - np.trace(counts)
        assert f"360 test images, {wrong} taken for another class" in said
        assert all(f" {count} " in said for count in np.diag(counts))
        assert "most often confused" not in said

    def test_many_classes_have_a_table_of_the_worst_pairs(self, subject):
        made = subject(100, evaluation={"each": 20, "accuracy": 0.6})
        said, _ = drawn(confusion.draw, made)
        row, column, times = confusion.confused(made.confusion, 1)[0]
        assert f"class_{row:03d}" in said
        assert f"class_{column:03d}" in said
        assert f"{times} ({times / 20:.0%})" in said
        assert "A cell is" not in said

    def test_a_thousand_classes_share_cells_and_the_picture_says_so(self, subject):
        said, pixels = drawn(confusion.draw, subject(1000, evaluation={"each": 5}))
        assert "A cell is 9x9 classes" in said
        assert len(pixels) < 2200

    def test_right_is_blue_and_wrong_is_orange(self):
        nothing, whole = np.zeros(1), np.ones(1)
        (right,), (wrong,) = confusion._colours(whole, nothing), confusion._colours(nothing, whole)
        assert right[2] > right[0] + 0.5
        assert wrong[0] > wrong[2] + 0.5
        assert confusion._colours(nothing, nothing)[0].tolist() == [1, 1, 1]
        mostly = confusion._colours(np.array([0.8]), np.array([0.2]))[0]
        assert mostly[2] > mostly[0], "a cell with a little wrong still looks right"

    @settings(deadline=None)
    @given(st.integers(2, 60), st.integers(1, 9), st.integers(0, 2**32 - 1))
    def test_sharing_cells_loses_no_share(self, number, side, seed):
        shares = confusion._shares(np.random.default_rng(seed).integers(1, 9, (number, number)))
        pooled = confusion._pooled(shares, side)
        assert pooled.shape == (-(-number // side),) * 2
        np.testing.assert_allclose(pooled.sum(axis=1), 1)

    def test_the_most_confused_pairs_come_first_and_none_that_never_was(self):
        counts = np.array([[9, 1, 0], [4, 5, 0], [0, 2, 7]])
        assert confusion.confused(counts, 10) == [(1, 0, 4), (2, 1, 2), (0, 1, 1)]
        assert confusion.confused(counts, 1) == [(1, 0, 4)]
        assert confusion.confused(np.diag([3, 3]), 10) == []


class TestClasses:
    def test_the_worst_come_first_and_the_rest_is_said(self, subject):
        made = subject(100)
        ranked = classes.worst(made)
        assert [one.f1 for one in ranked] == sorted(one.f1 for one in ranked)
        said, _ = drawn(classes.draw, made)
        assert "70 more classes, not drawn, have an F1 from" in said
        assert ranked[29].name in said
        assert ranked[30].name not in said
        assert "95 % interval of the recall" in said

    def test_of_a_class_without_a_test_image_nothing_is_said(self, subject):
        made = subject(3)
        empty = made.evaluation.classes[1].model_copy(update={"examples": 0, "f1": 0.0})
        scores = (made.evaluation.classes[0], empty, made.evaluation.classes[2])
        changed = Subject(made.facts, made.evaluation.model_copy(update={"classes": scores}))
        assert classes.worst(changed)[-1] == empty
        assert "no test image" in drawn(classes.draw, changed)[0]


class TestCalibration:
    def test_the_title_has_the_error_and_bins_have_their_counts(self, subject):
        said, _ = drawn(calibration.draw, subject(10))
        assert "Calibration: expected error 0.031 (0.020 to 0.050)" in said
        assert all(f" {count} " in f" {said} " for count in (4, 9, 18, 25, 40, 64, 200))


class TestGallery:
    def test_mistakes_have_both_names_and_the_probability(self, subject):
        made = subject(10)
        said, _ = drawn(gallery.draw, made)
        mistake = made.evaluation.mistakes[0]
        assert f"{mistake.predicted} 99%" in said
        wrong = made.confusion.sum() - np.trace(made.confusion)
        assert f"The 12 of {wrong} mistakes that it was surest of." in said

    def test_the_images_are_those_of_the_mistakes(self, subject):
        made = subject(10)
        red = io.BytesIO()
        Image.new("RGB", (8, 8), (255, 0, 255)).save(red, "PNG")
        one = made.evaluation.mistakes[0].model_copy(update={"image": red.getvalue()})
        changed = Subject(made.facts, made.evaluation.model_copy(update={"mistakes": (one,)}))
        _, pixels = drawn(gallery.draw, changed)
        assert (pixels == (255, 0, 255)).all(axis=2).mean() > 0.05

    def test_a_model_without_mistakes_has_a_sentence(self, subject):
        said, _ = drawn(gallery.draw, subject(3, evaluation={"accuracy": 1}))
        assert "the model got every test image right" in said


class TestSlices:
    def test_a_slice_that_is_surely_worse_is_marked(self, subject):
        made = subject(10)
        with matplotlib.rc_context(STYLE):
            figure = slices.draw(made)
        said = texts(figure)
        assert "brightness dark (below 85 of 255)" in said
        marked = [line.get_ydata()[0] for line in figure.axes[0].lines if line.get_color() == "#D55E00"]
        surely = [one for one in made.evaluation.slices
                  if one.metrics["accuracy"].high < made.evaluation.metrics["accuracy"].value]  # fmt: skip
        assert len(set(marked)) == len(surely) > 0

    def test_of_many_classes_the_least_accurate_are_shown(self, subject):
        said, pixels = drawn(slices.draw, subject(100))
        assert "88 classes with a higher accuracy left out" in said
        assert len(pixels) < 2000


class TestCurves:
    def recorded(self, facts, subject, **recipe):
        made = subject(10)
        return Subject({**made.facts, **facts(**recipe)}, made.evaluation)

    def test_the_last_epoch_is_served_without_patience(self, facts, subject):
        said, _ = drawn(curves.draw, self.recorded(facts, subject))
        assert "30 epochs; the weights of the last one are served." in said
        assert "served: epoch" not in said

    def test_the_best_epoch_is_marked_where_it_is_served(self, facts, subject):
        made = self.recorded(facts, subject, patience=3)
        losses = [2.0, 1.0, 0.5, 0.6, 0.7, 0.8]
        history = dict.fromkeys(("loss", "accuracy", "val_loss", "val_accuracy"), losses)
        made.facts["training"]["history"] = history
        said, _ = drawn(curves.draw, made)
        assert "6 epochs of at most 30; the weights of epoch 3, with the lowest validation loss, are served." in said
        assert "served: epoch 3" in said

    def test_a_loss_that_falls_far_has_a_logarithmic_axis(self, facts, subject):
        made = self.recorded(facts, subject)
        made.facts["training"]["history"]["loss"][0] = 900.0
        said, _ = drawn(curves.draw, made)
        assert "loss, logarithmic" in said
        assert {"0.5", "1", "50"} <= set(said.split())
        assert "$" not in said

    @pytest.mark.parametrize(
        ("recipe", "rises", "end"),
        [
            ({"schedule": "cosine", "warmup_epochs": 2.0}, True, 0.0),
            ({"schedule": "constant", "warmup_epochs": 0.0}, False, 0.05),
            ({"schedule": "step", "milestones": (0.5,), "warmup_epochs": 0.0}, False, 0.005),
        ],
    )
    def test_the_learning_rate_is_the_recipes(self, facts, subject, recipe, rises, end):
        with matplotlib.rc_context(STYLE):
            figure = curves.draw(self.recorded(facts, subject, learning_rate=0.05, **recipe))
        rate = figure.axes[2].lines[0].get_ydata()
        assert (rate[0] < 0.01) == rises
        assert max(rate) == pytest.approx(0.05, rel=0.01)
        assert rate[-1] == pytest.approx(end, abs=1e-4)

    def test_a_single_epoch_has_a_point(self, facts, subject):
        _, pixels = drawn(curves.draw, self.recorded(facts, subject, epochs=1, warmup_epochs=0.0))
        assert pixels.std() > 10


class TestDiagram:
    @pytest.mark.parametrize("name", ["densenet121", "googlenet", "mobilenet", "resnet20"])
    def test_the_deepest_networks_fit_and_no_words_cross(self, facts, subject, name):
        made = subject(10, architecture="lenet5")
        form = "paper"
        shape = (224, 224, 3) if name != "resnet20" else (32, 32, 3)
        known = {**made.facts["training"], "form": form}
        known["architecture"] = {**known["architecture"], "name": name}
        changed = Subject({**made.facts, "training": known}, made.evaluation)
        found = stages(outline(name, input_shape=shape, num_classes=1000, form=form))
        with matplotlib.rc_context(STYLE):
            figure = diagram.draw(changed, found)
            FigureCanvasAgg(figure).draw()
            words = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
        for place, one in enumerate(words):
            assert not [other for other in words[:place] if one.shrunk(0.98, 0.9).overlaps(other)]
            assert 0 <= one.x0 < one.x1 <= figure.bbox.width
        assert all(stage.name in texts(figure) for stage in found)
        assert figure.get_figheight() < 12

    def test_the_text_lists_every_layer_with_its_cost(self, subject):
        made = subject(10)
        found = diagram.network(made)
        lines = diagram.text(made, found).splitlines()
        assert any(line.split() == ["c5", "Dense", "120", "48,120", "48,000"] for line in lines)
        assert "61,706 parameters, 416,520 multiply-accumulates (MACs) for one image of 8x8x1" in lines[1]
        assert max(map(len, lines)) < 140
