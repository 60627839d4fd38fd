"""`python -m references` writes the pages anew; `make references` runs it."""

from references.metrics import PAGE, text

PAGE.parent.mkdir(exist_ok=True)
PAGE.write_text(text(), encoding="utf-8")
