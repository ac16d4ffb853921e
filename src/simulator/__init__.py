"""A cluster's network in one process, in virtual time, from one seed.

Hosts (`netstack`) and nodes (`nodeagent.datapath`) on wires that lose, delay, change and reorder
(`netdev.impairment`): no event loop, no socket, no clock. A *plan* says what happens, a *scenario*
draws plans from a seed, *checkers* say what must be true, a *campaign* tries many seeds.
"""
