"""``python tests/command_on_random_data.py COMMAND OPTIONS``: a command on noise instead of rendered faces.

COMMAND is one of ``experiments``, or a whole module such as ``deployment.site``.
"""

import sys
from importlib import import_module

from fed_on_random_data import random_dataset

from experiments.inputs import databases
from experiments.run.lifecycle import exit_with

if __name__ == "__main__":
    databases.load = random_dataset
    name = sys.argv.pop(1)
    module = import_module(name if "." in name else f"experiments.{name}")
    exit_with(module.main)
