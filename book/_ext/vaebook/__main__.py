"""Commands for those who write the book: python -m vaebook COMMAND."""

import sys

from vaebook import exercises, first_cell, pdf

COMMANDS = {
    "exercises": exercises.main,
    "first-cell": first_cell.main,
    "pdf": pdf.main,
}

if __name__ == "__main__":
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in COMMANDS:
        sys.exit(f"Say which of: {', '.join(COMMANDS)}")
    sys.exit(COMMANDS[name](sys.argv[2:]))
