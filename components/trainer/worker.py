"""A worker's part in a training: it trains along with the chief, and saves and exports nothing."""

from pathlib import Path

from components.trainer import input_pipeline
from components.trainer.checkpoints import Checkpoints, Progress
from components.trainer.cluster import Cluster
from components.trainer.multi_worker import Team
from components.trainer.rendezvous import Job
from components.trainer.run import TrainingPlan, train


def take_part(root: Path, cluster: Cluster, job: Job) -> Progress:
    """Trains along, in a process that has run no TensorFlow op yet.

    Args:
      root: The shared folder, as this host sees it.
      cluster: Who takes part.
      job: As `rendezvous.joined` gave it.

    Returns:
      What the training came to.

    Raises:
      multi_worker.WorkerLostError: The chief or another worker went away.
      run.DivergedError: The loss became NaN or infinite, on all workers at once.
    """
    plan = TrainingPlan.from_config(job.config)
    kept = Checkpoints(root / job.checkpoints, job.training)
    team = Team(cluster, plan.architecture, kept)
    files, validation = ([str(root / one) for one in group] for group in (job.train_files, job.validation_files))
    statistics = input_pipeline.pixel_statistics(files, plan.image_shape[-1])
    _, done = train(plan, statistics, files, validation, kept, team=team)
    return done
