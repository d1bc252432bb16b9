# ruff: noqa: N802 (tests are named after the statements of the contract)
"""Predict over a real socket (contract P)."""

import numpy as np


def test_P15_P20_answer_names_the_version_and_fills_float_val(serve, linear, tmp_path):
    linear(tmp_path, 3)
    response = serve(model_base_path=str(tmp_path)).predict(x=np.array([[1, 2]], np.float32))
    assert list(response.outputs["y"].float_val) == [3, 6]
    assert not response.outputs["y"].tensor_content
    assert (response.model_spec.name, response.model_spec.version.value) == ("m", 3)
    assert response.model_spec.signature_name == "serving_default"
