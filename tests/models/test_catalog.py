import subprocess
import sys

import pytest

import models

# The fleet, as promised.
FLEET = {
    "lenet": "lenet5 lenet5_1998",
    "alexnet": "alexnet alexnet_ungrouped zfnet",
    "vgg": "vgg11 vgg11_lrn vgg13 vgg16_1x1 vgg16 vgg19",
    "googlenet": "googlenet inception_v1_slides",
    "resnet": "resnet18 resnet34 resnet50 resnet101 resnet152 resnet20 resnet32 resnet44 resnet56 resnet110",
    "densenet": "densenet121 densenet169 densenet201 densenet161 densenet40 densenet_bc100",
    "allcnn": "allcnn_c",
    "mobilenet": "mobilenet",
}


def test_names_and_rows_agree():
    assert models.names() == tuple(name for family in FLEET.values() for name in family.split())
    assert [models.variant(name).name for name in models.names()] == list(models.names())
    assert {name: models.variant(name).family for name in models.names()} == {
        name: family for family, names in FLEET.items() for name in names.split()
    }


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(models.UnknownArchitectureError, match=r"Received: 'mobilnet'\. Did you mean 'mobilenet'\?"):
        models.variant("mobilnet")


def test_importing_models_loads_no_keras():
    code = (
        "import sys, models; assert models.recipe('lenet5', 'small');"
        "print([name for name in ('keras', 'tensorflow', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
