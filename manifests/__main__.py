"""`python -m manifests` writes what is generated anew; `make manifests` runs it."""

from manifests.releases import RELEASES, text

for release in RELEASES:
    release.target.write_text(text(release), encoding="utf-8")
