"""`python -m manifests` writes what is generated anew; `make manifests` runs it."""

from manifests import chart, dashboard
from manifests.releases import RELEASES, text
from manifests.rules import TARGET, rules

dashboard.TARGET.write_text(dashboard.dashboard(), encoding="utf-8")
dashboard.CONFIG_MAP.write_text(dashboard.config_map(), encoding="utf-8")
TARGET.write_text(rules(), encoding="utf-8")
for release in (*RELEASES, *chart.FILES):
    release.target.write_text(text(release), encoding="utf-8")
chart.README.write_text(chart.readme(), encoding="utf-8")
