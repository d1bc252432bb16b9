import subprocess
import sys

import pytest

import models


def test_names_and_rows_agree():
    assert models.names() == ("lenet5", "allcnn_c", "resnet20", "mobilenet")
    assert [models.variant(name).name for name in models.names()] == list(models.names())


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(models.UnknownArchitectureError, match=r"Received: 'resnet21'. Did you mean 'resnet20'\?"):
        models.variant("resnet21")


def test_importing_models_loads_no_keras():
    code = (
        "import sys, models; assert models.recipe('lenet5', 'small');"
        "print([name for name in ('keras', 'tensorflow', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
