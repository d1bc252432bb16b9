"""Anomalous data stop the run."""
