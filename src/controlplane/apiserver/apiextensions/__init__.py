"""Custom resources: what lives from CustomResourceDefinitions (upstream: apiextensions-apiserver).

`definition` makes kinds of a definition, `strategy` and `printer` are what these kinds do, `naming`
decides who may have which names, and `controller` follows the definitions that are there: it serves
their kinds, says so in their status, and empties what is deleted.
"""
