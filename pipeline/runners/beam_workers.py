"""A pool of workers for Beam's portable runners: a host's answer to `--environment_type=EXTERNAL`.

    python -m pipeline.runners.beam_workers --port 50000

A job service (Flink's, Spark's, Beam's own) asks it for a worker for each job. A worker is a child of a fork server
that has TFX imported, so it starts at once. Beam's own pool gives each a new interpreter, where TFDV comes before TFX
and its import fails. Pool and job service must trust each other: a worker runs whatever code a job brings.
"""

import argparse
import multiprocessing
import signal
import sys
from collections.abc import Sequence
from multiprocessing import forkserver
from typing import Any

from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.worker import sdk_worker, worker_pool_main

from components import twin

# TFX's first: it brings a stand-in for what TFDV 1.16 misses.
PRELOADED = ["tfx.components", "components.transform", "components.dataset_gen.executor"]
STOP_SECONDS = 10
CONTEXT = multiprocessing.get_context("forkserver")


class Pool(worker_pool_main.BeamFnExternalWorkerPoolServicer):
    """Starts and stops workers, as a job service asks."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._children: dict[str, Any] = {}

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 -- Beam's name
        """Starts a worker that takes its work from where the request says."""
        child = CONTEXT.Process(target=_work, args=(request.control_endpoint.url, request.worker_id), daemon=True)
        child.start()
        self._children[request.worker_id] = child
        print(f"A worker starts id={request.worker_id} job={request.control_endpoint.url}", flush=True)
        return beam_fn_api_pb2.StartWorkerResponse()

    def StopWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 -- Beam's name
        """Ends a worker, by force where it doesn't end when told."""
        if (child := self._children.pop(request.worker_id, None)) is not None:
            child.terminate()
            child.join(STOP_SECONDS)
            child.kill()
        return beam_fn_api_pb2.StopWorkerResponse()


def _work(control: str, worker_id: str) -> None:
    """Works for the job service at this address until it hangs up, or the pool is gone."""
    if (pool := multiprocessing.parent_process()) is not None:
        twin.end_with(pool.sentinel)
    sdk_worker.SdkHarness(control, worker_id=worker_id).run()


def main(argv: Sequence[str] | None = None) -> None:
    """Serves a pool until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="pipeline.runners.beam_workers", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="to listen on; 0: any that is free")
    port = parser.parse_args(argv).port
    # Before any gRPC: what a fork server has of it doesn't survive in its children.
    multiprocessing.set_forkserver_preload(PRELOADED)
    forkserver.ensure_running()
    # Ctrl-C by name too: what a shell starts in its background would ignore it.
    for end in (signal.SIGTERM, signal.SIGINT):
        signal.signal(end, lambda *_: sys.exit())
    address, server = Pool.start(port=port)
    print(f"Workers for Beam address={address}", flush=True)
    try:
        signal.pause()
    finally:
        server.stop(0)


if __name__ == "__main__":
    main()
