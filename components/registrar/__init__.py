"""Every trained model becomes a version in MLflow: one number, one hash."""
