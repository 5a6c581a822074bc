"""Shared by the experiments: command line, trainings, datasets, reports, figures."""
