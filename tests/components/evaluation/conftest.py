"""Models whose answers stand in the pictures: row 0 of the pixels says the candidate's, row 1 its baseline's."""

import io

import numpy as np
import pytest
from PIL import Image

CLASS_NAMES = ("cat", "dog", "emu")
GATE = {"min_accuracy": 0.0, "max_regression": 1.0, "metrics": {}, "slices": {}}


def picture(*answers):
    """Encodes what each model answers: whole numbers that add up to 255."""
    content = io.BytesIO()
    Image.fromarray(np.array(answers, np.uint8)).save(content, "PNG")
    return content.getvalue()


def example(row, class_names):
    import tensorflow as tf

    label, answers, more = row
    values = {
        "image": picture(*answers),
        "label": label,
        "class_name": class_names[label].encode(),
        "height": 32,
        "width": 32,
        "channels": 1,
        "brightness": 0.5,
        **more,
    }
    kinds = {
        bytes: lambda value: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value])),
        int: lambda value: tf.train.Feature(int64_list=tf.train.Int64List(value=[value])),
        float: lambda value: tf.train.Feature(float_list=tf.train.FloatList(value=[value])),
    }
    features = {name: kinds[type(value)](value) for name, value in values.items()}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def save_model(folder, row, classes):
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(inputs):
        images = tf.io.parse_example(inputs, {"image": tf.io.FixedLenFeature([], tf.string)})["image"]

        def answer(image):
            pixels = tf.cast(tf.io.decode_png(image, 1)[row, :, 0], tf.float32)
            return tf.ensure_shape(pixels / tf.reduce_sum(pixels), [classes])

        scores = tf.map_fn(answer, images, fn_output_signature=tf.float32)
        return {"scores": scores, "classes": tf.fill(tf.shape(scores), "?")}

    module = tf.Module()
    module.classify = classify
    tf.saved_model.save(module, str(folder / "Format-Serving"), signatures={"classify": classify})


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Makes, once a number of classes, the folders of a candidate and of its baseline."""
    made = {}

    def make(classes):
        if classes not in made:
            root = tmp_path_factory.mktemp("models")
            for row, name in enumerate(("candidate", "baseline")):
                save_model(root / name, row, classes)
            made[classes] = root
        return made[classes]

    return make


@pytest.fixture
def evaluated(models, execute, channel, tmp_path):
    """Evaluates rows (label, answers of both models, other features); returns the evaluation and both artifacts."""
    import tensorflow as tf
    from tfx.types import standard_artifacts

    from components.evaluation.component import Evaluator
    from components.evaluation.facts import Evaluation

    def run(rows, *, baseline=True, class_names=CLASS_NAMES, **gate):
        examples = standard_artifacts.Examples()
        examples.uri, examples.split_names = str(tmp_path / "examples"), '["train", "validation", "test"]'
        examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
        (tmp_path / "examples" / "Split-test").mkdir(parents=True)
        path = tmp_path / "examples" / "Split-test" / "data_tfrecord-00000-of-00001.gz"
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for row in rows:
                writer.write(example(row, class_names))
        given = {"examples": examples, "model": standard_artifacts.Model()}
        if baseline:
            given["baseline_model"] = standard_artifacts.Model()
        for name, key in (("candidate", "model"), ("baseline", "baseline_model")):
            if key in given:
                given[key].uri = str(models(len(class_names)) / name)
        component = Evaluator(
            *(channel(given[key]) for key in ("examples", "model")),
            channel(given["baseline_model"]) if baseline else None,
            gate=GATE | gate,
            class_names=class_names,
        )
        out = execute(component, tmp_path / "out", **given)
        return Evaluation.read(tmp_path / "out" / "evaluation"), out

    return run
