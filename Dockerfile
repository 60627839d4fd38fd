# The image of KubeMacPool for those who build images with a container engine; `make image` needs none, and gives the
# same files. What is in the stage that builds is not in the image: that comes from lock files, by SHA-256
# (image/packages-*.lock, requirements/runtime.txt), so nothing depends on what this tag names today.
# docker buildx build --build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) --build-arg REVISION=$(git rev-parse HEAD) .
FROM --platform=$BUILDPLATFORM debian:12 AS build

RUN apt-get update && apt-get install --yes --no-install-recommends make python3 python3-venv
WORKDIR /build
COPY . .
ARG TARGETARCH SOURCE_DATE_EPOCH REVISION
RUN make image PLATFORM=linux/$TARGETARCH ROOT=/root-of-the-image

FROM scratch

COPY --from=build /root-of-the-image /
ENV PATH=/usr/local/bin:/usr/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# A number, so that a kubelet can tell that it is not root.
USER 65532:65532
EXPOSE 8000 8081 8443
ENTRYPOINT ["kubemacpool"]
CMD ["manager"]
