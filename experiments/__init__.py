"""The commands: ``python -m experiments.fed``, ``mer``, ``pretrain``, ``ablate``, ``compare``, ``explain``, ..."""
