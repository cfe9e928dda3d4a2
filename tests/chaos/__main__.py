"""``python -m tests.chaos --seed N``: everything at once, and nothing lost, doubled or told wrongly."""

from tests.chaos.run import main

if __name__ == "__main__":
    main()
