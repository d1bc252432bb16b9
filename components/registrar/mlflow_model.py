"""The MLmodel file that lets MLflow load a SavedModel without re-saving it.

MLflow's own TensorFlow and Keras flavours save the model anew, so the registered bytes wouldn't be the served ones.
This file points MLflow's loader at the SavedModel as it is; loading it needs TensorFlow and MLflow, and nothing of
Convoy.
"""

import platform
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.models import Model, ModelSignature
from mlflow.models.utils import _save_example  # As every flavour of MLflow's; there is no public way.
from mlflow.types import Schema, TensorSpec

from components import names

SAVED_MODEL = "saved_model"


def write_mlmodel(directory: Path, servable: Path, facts: dict[str, Any], run_id: str, model_id: str) -> None:
    """Writes `MLmodel`, `requirements.txt` and, as an example of an input, a test image.

    Args:
      directory: Where to.
      servable: The SavedModel that will lie beside them, as `saved_model/`; read for its size and its warm-up requests.
      facts: As the Registrar gathers them.
      run_id: MLflow's child run.
      model_id: MLflow's logged model.
    """
    versions = facts["training"]["versions"]
    model = Model(
        run_id=run_id,
        model_id=model_id,
        signature=_signature(facts["training"]["architecture"]),
        model_size_bytes=sum(path.stat().st_size for path in servable.rglob("*") if path.is_file()),
        metadata={"sha256": facts["sha256"]},
    )
    model.add_flavor(
        "tensorflow",
        saved_model_dir=SAVED_MODEL,
        model_type="tf1-estimator",  # MLflow's name for "a SavedModel and one of its signatures".
        meta_graph_tags=["serve"],
        signature_def_key=names.PIXELS,
        code=None,
    )
    model.add_flavor("python_function", loader_module="mlflow.tensorflow", python_version=platform.python_version())
    _save_example(model, {"images": example(servable)}, str(directory))
    model.save(str(directory / "MLmodel"))
    pinned = f"mlflow\ntensorflow=={versions['tensorflow']}\n"
    (directory / "requirements.txt").write_text(pinned, encoding="utf-8")


def example(servable: Path) -> np.ndarray:
    """Reads a test image, uint8 [1, H, W, C], from the warm-up requests of a servable."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    records = tf.data.TFRecordDataset(str(servable / "assets.extra" / names.WARMUP_FILE)).as_numpy_iterator()
    requests = [prediction_log_pb2.PredictionLog.FromString(record).predict_log.request for record in records]
    (pixels,) = (one.inputs["images"] for one in requests if one.model_spec.signature_name == names.PIXELS)
    return np.asarray(tf.make_ndarray(pixels))


def _signature(architecture: dict[str, Any]) -> ModelSignature:
    classes = architecture["classes"]
    pixels = TensorSpec(np.dtype(np.uint8), (-1, *architecture["input_shape"]), "images")
    outputs = [
        TensorSpec(np.dtype(np.float32), (-1, classes), "probabilities"),
        TensorSpec(np.dtype(np.int64), (-1,), "class_id"),
        TensorSpec(np.dtype(str), (-1,), "class_name"),
    ]
    return ModelSignature(inputs=Schema([pixels]), outputs=Schema(outputs))
