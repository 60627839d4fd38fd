"""`python -m references` writes the pages anew; `make references` runs it."""

from references.pages import PAGES

for page, text in PAGES.items():
    page.parent.mkdir(exist_ok=True)
    page.write_text(text(), encoding="utf-8")
