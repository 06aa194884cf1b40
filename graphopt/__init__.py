"""graphopt: formulas and tensor programs to rewritten graphs, gradients, C and CUDA."""
from graphopt import tensor
from graphopt.dimensions import dim
from graphopt.types import TensorType
from graphopt.variable import Variable, variable
