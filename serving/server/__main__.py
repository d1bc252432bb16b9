"""Runs the model server: `python -m serving.server --model_name=m --model_base_path=/models/m`."""

from serving.server.app import main

if __name__ == "__main__":
    main()
