"""Experiments are scripts beside the package: their folder is put where imports find it."""

import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "experiments"
sys.path.insert(0, str(FOLDER))
