"""What a server can be told; the names and defaults are `tensorflow_model_server`'s flags (contract F)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServerOptions:
    """Options of one server. A model comes from `model_config_file`, else from `model_name` and `model_base_path`."""

    host: str = "127.0.0.1"
    port: int | None = 8500  # 0: any free one; None: no TCP port
    grpc_socket_path: str = ""
    grpc_max_threads: int = 0  # 0: four for each CPU
    model_name: str = "default"
    model_base_path: str = ""
    model_config_file: str = ""
    model_config_file_poll_wait_seconds: float = 0.0  # 0: read once
    file_system_poll_wait_seconds: float = 1.0  # 0: poll once; negative: never
    max_num_load_retries: int = 5
    load_retry_interval_micros: int = 60_000_000
    allow_version_labels_for_unavailable_models: bool = False
    enable_model_warmup: bool = True
    saved_model_tags: tuple[str, ...] = ("serve",)
    startup_timeout_seconds: float | None = None  # None: wait for the models for ever, as upstream does
    reload_timeout_seconds: float = 300.0  # how long a reload may wait for newly named models
    shutdown_grace_seconds: float = 30.0  # how long requests in flight may take when the server stops
