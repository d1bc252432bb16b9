"""What drives the graph: on one machine, `local`."""
