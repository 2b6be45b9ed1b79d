"""The engine: plans, compiles, trains and stores the trainings of a run."""
