"""All C and CUDA text of the toolkit, as templates and headers. There is no Python here; this file makes the folder a
package, so that `importlib.resources` finds its contents in every kind of installation."""
