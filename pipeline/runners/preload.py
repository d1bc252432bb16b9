"""What the fork server imports once, so that every node starts with it in 0.02 s.

Nothing here may run a TensorFlow op or open a gRPC channel: neither survives a fork.
"""

import atexit
import os

import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
import tensorflow_datasets  # noqa: F401

# TFX first: TFDV 1.16 imports a module that tfx-bsl 1.21 dropped, and TFX brings a stand-in.
import tfx
import tfx.orchestration.local.runner_utils
import tfx.orchestration.portable.launcher
import tfx.orchestration.portable.runtime_parameter_utils  # noqa: F401

import components.champion
import components.evaluation.executor
import components.evaluation.metrics
import components.registrar.executor
import components.trainer.run
import components.transform
import components.tuner.run  # noqa: F401
import pipeline.graph  # noqa: F401
import serving.server.app  # noqa: F401

# The fork server has nothing to tidy up. To take down all of these modules would keep it for seconds after its runner.
atexit.register(os._exit, 0)
