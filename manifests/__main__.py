"""`python -m manifests` writes what is generated anew; `make manifests` runs it."""

from manifests import chart
from manifests.releases import RELEASES, text
from manifests.rules import TARGET, rules

TARGET.write_text(rules(), encoding="utf-8")
for release in (*RELEASES, *chart.FILES):
    release.target.write_text(text(release), encoding="utf-8")
chart.README.write_text(chart.readme(), encoding="utf-8")
