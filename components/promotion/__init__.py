"""One verb moves both: MLflow's alias and TF Serving's label, with a history of who moved them, when and why.

What clients see decides. A promotion first writes down what it is about to do, then moves the label in the order that
TF Serving allows (load, wait, relabel), then the alias, then drops what the new version leaves behind, then writes down
that it is done. Whatever stops it, the next command that touches the model repairs it: where the label had moved, the
rest follows; where it had not, the promotion is taken back.
"""
