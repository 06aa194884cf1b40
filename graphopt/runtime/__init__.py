"""From text to something that runs: compilers, the artifact cache, loading, BLAS, and a diagnosis of all of these.

Pipeline position: the code generator hands text to `graphopt.runtime.compile`, which returns a loaded library. Nothing
here knows graphs or kernels. Importing any module of this folder needs the standard library alone.
"""
