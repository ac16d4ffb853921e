"""What containers run: the registry of image names and the programs behind them.

Well-known images behave as their originals do where it matters for the network; their code and
texts are our own. `registry.IMAGES` is the list.
"""
