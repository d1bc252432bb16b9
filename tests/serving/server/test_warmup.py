"""Warm-up requests that a version brings along (contract M)."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

ONES = np.ones([1, 2], np.float32)


@pytest.fixture
def base(tmp_path):
    (tmp_path / "m").mkdir()
    return tmp_path / "m"


@pytest.fixture
def log(predict_request):
    """Builds a record of a Predict request."""

    def record(*args, **inputs):
        request = predict_request("any name", *args, **inputs)
        return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))

    return record


def writes(*records):
    """Makes the edit that gives a version these records."""

    def write(path):
        (path / "assets.extra").mkdir()
        with tf.io.TFRecordWriter(str(path / "assets.extra" / "tf_serving_warmup_requests")) as writer:
            for record in records:
                writer.write(record if isinstance(record, bytes) else record.SerializeToString())

    return write


def test_M2_requests_are_replayed_before_the_version_is_available(serve, publish_linear, base, log):
    publish_linear(base, 1)
    client = serve(model_base_path=str(base))
    publish_linear(base, 2, edit=writes(log("spin", steps=np.int64(150_000)), log(x=ONES)))
    client.until({2: "LOADING", 1: "AVAILABLE"})
    assert client.factor() == 1
    client.until({2: "AVAILABLE", 1: "END"})


def test_R17_a_load_that_ends_after_its_version_has_gone_is_dropped(serve, publish_linear, base, log):
    publish_linear(base, 1)
    client = serve(model_base_path=str(base))
    publish_linear(base, 2, edit=writes(log("spin", steps=np.int64(150_000))))
    client.until({2: "LOADING", 1: "AVAILABLE"})
    client.reload({"name": "m", "base_path": str(base), "model_version_policy": {"specific": {"versions": [1]}}})
    client.until({2: "END", 1: "AVAILABLE"})
    status = client.statuses(version=2)[0].status
    assert (status.error_code, status.error_message) == (1, "Loading of servable cancelled")


def test_M3_a_record_without_a_log_is_ignored(serve, publish_linear, base, log):
    publish_linear(base, 1, edit=writes(prediction_log_pb2.PredictionLog(), log(x=ONES)))
    assert serve(model_base_path=str(base)).factor() == 1


BAD = {
    "M3 another kind": (
        [prediction_log_pb2.PredictionLog(session_run_log=prediction_log_pb2.SessionRunLog())],
        "UNIMPLEMENTED: Unsupported log_type for warmup: ",
    ),
    "M4 unparsable": ([b"\xff\xff"], "INVALID_ARGUMENT: Failed to parse warmup record"),
    "M4 too many": ([prediction_log_pb2.PredictionLog()] * 1001, "Number of warmup records exceeds the maximum (1000)"),
}


@pytest.mark.parametrize("kind", BAD)
def test_M3_M4_M5_a_bad_record_keeps_the_version_from_serving(serve, publish_linear, base, refused, kind):
    records, phrase = BAD[kind]
    publish_linear(base, 1, edit=writes(*records))
    with refused("UNKNOWN", phrase):
        serve(model_base_path=str(base))


def test_M5_a_request_that_fails_keeps_the_version_from_serving(serve, publish_linear, base, log, refused):
    publish_linear(base, 1, edit=writes(log(wrong=ONES)))
    with refused("UNKNOWN", "INVALID_ARGUMENT: Signature input alias: x"):
        serve(model_base_path=str(base))


def test_M4_a_thousand_records_are_allowed(serve, publish_linear, base):
    publish_linear(base, 1, edit=writes(*[prediction_log_pb2.PredictionLog()] * 1000))
    assert serve(model_base_path=str(base)).factor() == 1


def test_M4_a_file_that_is_no_tfrecord_is_data_loss(serve, publish_linear, base, refused):
    def garble(path):
        writes()(path)
        (path / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"no TFRecord at all, but bytes")

    publish_linear(base, 1, edit=garble)
    with refused("UNKNOWN", "Please verify your warmup data is in TFRecord format."):
        serve(model_base_path=str(base))


def test_M1_warm_up_can_be_turned_off(serve, publish_linear, base):
    publish_linear(base, 1, edit=writes(b"\xff\xff"))
    assert serve(model_base_path=str(base), enable_model_warmup=False).factor() == 1
