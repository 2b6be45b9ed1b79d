"""``python tests/mer_on_random_data.py COMMAND OPTIONS``: a command on noise instead of faces."""

import sys

import jax
from fed_on_random_data import random_dataset

from experiments import ablate, explain, fed, mer, pretrain
from experiments.inputs import databases as loading
from experiments.run import lifecycle

COMMANDS = {"mer": mer, "ablate": ablate, "pretrain": pretrain, "fed": fed, "explain": explain}


if __name__ == "__main__":
    jax.config.update("jax_disable_most_optimizations", True)
    loading.load = random_dataset
    command = COMMANDS[sys.argv.pop(1)].main
    lifecycle.exit_with(command)
