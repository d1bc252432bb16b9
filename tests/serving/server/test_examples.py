"""Classify, Regress and MultiInference over a real socket (contract P24 to P33)."""

import pytest
import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, inference_pb2, input_pb2, regression_pb2

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


def example(*values: float) -> tf.train.Example:
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Example(features=tf.train.Features(feature={"x": feature}))


def two_examples() -> input_pb2.Input:
    return input_pb2.Input(example_list=input_pb2.ExampleList(examples=[example(1, 2), example(3, 4)]))


def classification(signature: str = "", name: str = "forms") -> classification_pb2.ClassificationRequest:
    request = classification_pb2.ClassificationRequest(input=two_examples())
    request.model_spec.name, request.model_spec.signature_name = name, signature
    return request


def regression(signature: str) -> regression_pb2.RegressionRequest:
    request = regression_pb2.RegressionRequest(input=two_examples())
    request.model_spec.name, request.model_spec.signature_name = "forms", signature
    return request


def rows(response) -> list[list[tuple[str, float]]]:
    return [[(c.label, c.score) for c in row.classes] for row in response.result.classifications]


def test_P29_P31_every_class_of_every_example_comes_in_order(shared):
    response = shared.prediction.Classify(classification())
    assert rows(response) == [[("1", 2), ("2", 4)], [("3", 6), ("4", 8)]]
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("forms", 1, "serving_default")


def test_P29_labels_or_scores_may_be_missing(shared):
    assert rows(shared.prediction.Classify(classification("scores")))[0] == [("", 1), ("", 2)]
    assert rows(shared.prediction.Classify(classification("classes")))[0] == [("1", 0), ("2", 0)]


def test_P24_the_context_is_merged_below_each_example(shared):
    other = tf.train.Example(features=tf.train.Features(feature={"y": tf.train.Feature()}))
    listed = input_pb2.ExampleListWithContext(context=example(7, 8), examples=[other, example(1, 2)])
    request = classification("scores")
    request.input.CopyFrom(input_pb2.Input(example_list_with_context=listed))
    assert rows(shared.prediction.Classify(request)) == [[("", 7), ("", 8)], [("", 1), ("", 2)]]


@pytest.mark.parametrize(
    "empty",
    [
        input_pb2.Input(),
        input_pb2.Input(example_list=input_pb2.ExampleList()),
        input_pb2.Input(example_list_with_context=input_pb2.ExampleListWithContext(context=example(1, 2))),
    ],
)
def test_P24_no_examples_are_refused(shared, refused, empty):
    request = classification()
    request.input.CopyFrom(empty)
    with refused("INVALID_ARGUMENT", "Input is empty."):
        shared.prediction.Classify(request)


@pytest.mark.parametrize(
    ("signature", "phrase"),
    [
        ("three", "Expected one or two output Tensors, found 3"),
        ("other", "outputs to contain at least one of"),
        ("misnamed", "No classification inputs found in SignatureDef"),
        ("nope", "No signature was found with the name: nope"),
        ("flat", "Expected Tensor shape: [batch_size num_classes] but got [2]"),
        ("double", "Expected scores Tensor of DT_FLOAT. Got: DT_DOUBLE"),
        ("short", "Expected scores output batch size of 2. Got: 1"),
        ("ragged", "Tensors class and score should match in dim_size(1)"),
    ],
)
def test_P25_P26_P28_classify_refuses_other_forms(shared, refused, signature, phrase):
    with refused("INVALID_ARGUMENT", phrase):
        shared.prediction.Classify(classification(signature))


def test_P25_two_inputs_are_refused(shared, refused):
    with refused("INVALID_ARGUMENT", "Expected one input Tensor."):
        shared.prediction.Classify(classification("add", name="zoo"))


def test_P1_P4_models_are_found_as_for_predict(shared, refused):
    with refused("INVALID_ARGUMENT", "Missing ModelSpec"):
        shared.prediction.Classify(classification_pb2.ClassificationRequest())
    with refused("NOT_FOUND", "Servable not found for request: Latest(nobody)"):
        shared.prediction.Classify(classification(name="nobody"))


def test_an_example_that_the_graph_cannot_parse_is_refused(shared, refused):
    request = classification()
    request.input.example_list.examples.append(example(1))
    with refused("INVALID_ARGUMENT", "x"):
        shared.prediction.Classify(request)


@pytest.mark.parametrize("signature", ["regress", "regress_column"])
def test_P30_P31_one_value_for_each_example(shared, signature):
    response = shared.prediction.Regress(regression(signature))
    assert [each.value for each in response.result.regressions] == [1, 3]
    assert response.model_spec.signature_name == signature


@pytest.mark.parametrize(
    ("signature", "phrase"),
    [
        ("", "Expected one output Tensor."),
        ("scores", "No regression outputs found"),
        ("nope", "No signature was found with the name: nope"),
        ("regress_wide", "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [2,2]"),
        ("regress_short", "Input batch size did not match output batch size"),
        ("regress_double", "Expected output Tensor of DT_FLOAT"),
    ],
)
def test_P25_P26_P30_regress_refuses_other_forms(shared, refused, signature, phrase):
    with refused("INVALID_ARGUMENT", phrase):
        shared.prediction.Regress(regression(signature))


def tasks(*named: tuple[str, str, str]) -> inference_pb2.MultiInferenceRequest:
    request = inference_pb2.MultiInferenceRequest(input=two_examples())
    for name, signature, method in named:
        task = request.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = name, signature
    return request


def test_P33_results_keep_the_order_of_the_tasks(shared):
    request = tasks(("forms", "regress", REGRESS), ("forms", "", CLASSIFY), ("forms", "scores", CLASSIFY))
    results = shared.prediction.MultiInference(request).results
    assert [result.WhichOneof("result") for result in results] == [
        "regression_result",
        "classification_result",
        "classification_result",
    ]
    assert [each.value for each in results[0].regression_result.regressions] == [1, 3]
    assert results[1].classification_result.classifications[1].classes[1].score == 8
    assert [result.model_spec.signature_name for result in results] == ["regress", "serving_default", "scores"]
    assert {result.model_spec.version.value for result in results} == {1}


@pytest.mark.parametrize(
    ("named", "code", "phrase"),
    [
        ([], "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        ([("forms", "", CLASSIFY), ("", "scores", CLASSIFY)], "INVALID_ARGUMENT", "with an empty model name."),
        ([("forms", "", CLASSIFY), ("zoo", "", CLASSIFY)], "INVALID_ARGUMENT", "must access the same model name"),
        ([("forms", "", CLASSIFY)] * 2, "INVALID_ARGUMENT", "Duplicate evaluation of signature: serving_default"),
        ([("forms", "nope", CLASSIFY)], "INVALID_ARGUMENT", "signature not found in model graph: nope"),
        ([("forms", "", "predict")], "UNIMPLEMENTED", "Unsupported signature method_name: predict"),
        ([("nobody", "", CLASSIFY)], "NOT_FOUND", "Servable not found"),
    ],
)
def test_P32_P33_tasks_that_upstream_refuses(shared, refused, named, code, phrase):
    with refused(code, phrase):
        shared.prediction.MultiInference(tasks(*named))
