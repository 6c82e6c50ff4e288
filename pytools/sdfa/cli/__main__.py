"""python -m sdfa.cli"""

from sdfa.cli import main

if __name__ == "__main__":
    main()
