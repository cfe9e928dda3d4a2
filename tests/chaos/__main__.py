"""``python -m tests.chaos --seed N``: everything breaks at once, and nothing is lost, doubled or reported wrongly."""

from tests.chaos.run import main

if __name__ == "__main__":
    main()
