import json

import pytest

from kubemacpool.wire.networks import NETWORKS_ANNOTATION
from kubemacpool.wire.review import annotation_patch


def test_the_patch_replaces_the_networks_annotation() -> None:
    assert json.loads(annotation_patch(NETWORKS_ANNOTATION, '[{"mac":"é"}]')) == [
        {"op": "replace", "path": "/metadata/annotations/k8s.v1.cni.cncf.io~1networks", "value": '[{"mac":"é"}]'}
    ]


@pytest.mark.parametrize(
    ("annotation", "token"), [("a/b", "a~1b"), ("a~b", "a~0b"), ("a~1/b", "a~01~1b"), ("plain", "plain")]
)
def test_the_path_is_a_json_pointer(annotation: str, token: str) -> None:
    """RFC 6901, section 3: the tilde is escaped first."""
    assert json.loads(annotation_patch(annotation, "v"))[0]["path"] == f"/metadata/annotations/{token}"
