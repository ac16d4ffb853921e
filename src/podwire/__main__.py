"""`podwire`, and `python -m podwire`."""

from podwire.cli import main

if __name__ == "__main__":
    main()
