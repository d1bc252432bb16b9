"""Questions to a served model, made of real examples, and the warm-up file that TF Serving replays at load."""

import dataclasses
from pathlib import Path

import numpy as np
import tensorflow as tf

from components import images, names


@dataclasses.dataclass(frozen=True)
class Question:
    """One image in the three forms that a client can send.

    Attributes:
      encoded: PNG or JPEG bytes, for `serving_default`.
      pixels: uint8 [H, W, C], for `pixels`.
      example: A serialized tf.Example, for `classify`.
      label: The right class.
    """

    encoded: bytes
    pixels: np.ndarray
    example: bytes
    label: int


def read(split_uri: str, count: int, shape: images.Shape) -> list[Question]:
    """Reads the first examples of a split, their pixels in the shape that the model takes."""
    files = sorted(str(path) for path in Path(split_uri).iterdir())
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").take(count)
    return [_question(record, shape) for record in records.as_numpy_iterator()]


def _question(record: bytes, shape: images.Shape) -> Question:
    feature = tf.train.Example.FromString(record).features.feature
    encoded = feature[names.IMAGE].bytes_list.value[0]
    pixels = images.decode(tf.constant([encoded]), shape)[0].numpy()
    return Question(encoded, pixels, record, feature[names.LABEL].int64_list.value[0])


def evaluated(saved_model: Path, questions: list[Question]) -> np.ndarray:
    """Answers as the Evaluator has it done: in this process, by signature `classify`; float32 [N, C]."""
    signature = tf.saved_model.load(str(saved_model)).signatures[names.CLASSIFY]
    scores: np.ndarray = signature(inputs=tf.constant([one.example for one in questions]))["scores"].numpy()
    return scores


def write_warmup(servable: Path, model_name: str, questions: list[Question]) -> None:
    """Writes `assets.extra/tf_serving_warmup_requests`: each signature once, with a real image."""
    path = servable / "assets.extra" / names.WARMUP_FILE
    path.parent.mkdir(exist_ok=True)
    first = questions[0]
    inputs = {
        (names.SERVING_DEFAULT, "image_bytes"): np.array([first.encoded], dtype=object),
        (names.PIXELS, "images"): first.pixels[np.newaxis],
        (names.CLASSIFY, "inputs"): np.array([first.example], dtype=object),
    }
    with tf.io.TFRecordWriter(str(path)) as writer:
        for (signature, name), value in inputs.items():
            writer.write(_log(model_name, signature, name, value))


def _log(model_name: str, signature: str, name: str, value: np.ndarray) -> bytes:
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = model_name
    request.model_spec.signature_name = signature
    request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return log.SerializeToString()  # type: ignore[no-any-return]
