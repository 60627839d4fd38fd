# The image of KubeMacPool. Every package is pinned with its hash; nothing is compiled or fetched at run time.
FROM python:3.11-slim AS build

WORKDIR /build
COPY requirements/build.txt requirements/runtime.txt ./
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes --requirement build.txt \
    && python -m venv /opt/kubemacpool \
    && /opt/kubemacpool/bin/pip install --no-cache-dir --require-hashes --requirement runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY config config
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/kubemacpool/bin/pip install --no-cache-dir --no-deps --no-index dist/*.whl

FROM python:3.11-slim

COPY --from=build /opt/kubemacpool /opt/kubemacpool
# The root file system may be read-only: nothing is written, not even byte code.
ENV PATH=/opt/kubemacpool/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# A number, so that a kubelet can tell that it is not root.
USER 65532:65532
EXPOSE 8000 8443 8081
ENTRYPOINT ["kubemacpool"]
CMD ["manager"]
