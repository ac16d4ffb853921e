"""The command line: what `loadgen run`, `report` and `compare` take, do and print."""
