"""What happened to a cluster, on one clock: the journals of all processes, merged and explained.

Facts come from `componentbase.journal`; everything here but `follow` is a function of notes.
"""
