"""The `tuner_fn` of TFX's Tuner: one for every architecture.

Everything it needs comes in `custom_config`: what the Trainer's says, and the tables `tune` and `tuner` of a config, so
that a change of either is named as people know it.
"""

from pathlib import Path

import keras
import keras_tuner
import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.tuner.component import TunerFnResult

from components.trainer import classes, input_pipeline
from components.trainer.run import TrainingPlan
from components.tuner import space
from components.tuner.search import Data, Search

# TFX's name for what lies in the folder of a node and is no artifact.
SYSTEM = ".system"


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Prepares the search of one architecture's recipe.

    Args:
      fn_args: TFX's; `train_files` and `eval_files` are the transformed train and validation splits.

    Raises:
      classes.ClassNamesError: The data name a class otherwise than the model would.
    """
    config = fn_args.custom_config
    plan, tune, tuner = TrainingPlan.from_config(config), config["tune"], config["tuner"]
    classes.require(fn_args.transform_graph_path, plan.class_names)
    number = space.trials(tune, tuner["trials"])
    search = Search(
        plan=plan,
        epochs=tuner["epochs"],
        number=number,
        oracle=space.oracle(tune, tuner["algorithm"], number, plan.recipe.seed),
        directory=Path(fn_args.working_dir),
        kept=kept(Path(fn_args.working_dir)),
        decisive=[config, fn_args.train_files, tf.__version__, keras.__version__, keras_tuner.__version__],
    )
    statistics = input_pipeline.pixel_statistics(fn_args.train_files, plan.image_shape[-1])
    return TunerFnResult(search, {"data": Data(fn_args.train_files, fn_args.eval_files, statistics)})


def kept(working_dir: Path) -> Path:
    """Returns where the next execution of a node finds what this one knew: TFX gives each a folder of its own."""
    node = next((folder.parent for folder in working_dir.parents if folder.name == SYSTEM), working_dir)
    return node / "search"
