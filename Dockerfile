# Milepost in a container that has the program, the libraries it loads, and nothing else: no shell, no package manager.
#
#   docker build --tag milepost:0.1.0 .
#
# deploy/README.md says how to run it. It refuses to start without a way to know its callers.

FROM swift:6.3.1-bookworm AS build
WORKDIR /source
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends binutils libpq-dev libsqlite3-dev libxxhash-dev libzstd-dev make \
    && rm -rf /var/lib/apt/lists/*
COPY . .
RUN make build \
    && objcopy --strip-all .build/release/milepost /milepost

# Debian's own libraries, as new as they are on the day of the build.
FROM debian:12-slim AS root
# hadolint ignore=DL3005,DL3008
RUN apt-get update \
    && apt-get upgrade --yes \
    && apt-get install --yes --no-install-recommends ca-certificates libpq5 libsqlite3-0 libstdc++6 libzstd1 zlib1g \
    && rm -rf /var/lib/apt/lists/*
COPY scripts/linked-libraries /source/scripts/
COPY deploy/docker/assemble-root /source/deploy/docker/
COPY --from=build /milepost /milepost
RUN /source/deploy/docker/assemble-root /milepost /image

FROM scratch
LABEL org.opencontainers.image.title="milepost" \
    org.opencontainers.image.description="A checkpoint server for LangGraph agents" \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.licenses="Apache-2.0"
COPY --from=root /image/root/ /
# /var/lib/milepost, for its user: a volume that is made there begins as this directory is.
COPY --from=root --chown=65532:65532 /image/state/ /var/lib/
ENV MILEPOST_HOST=0.0.0.0 \
    MILEPOST_STORE=sqlite:/var/lib/milepost/milepost.db
USER 65532:65532
WORKDIR /var/lib/milepost
VOLUME /var/lib/milepost
EXPOSE 5003
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/usr/bin/milepost", "health", "--url", "http://127.0.0.1:5003"]
ENTRYPOINT ["/usr/bin/milepost"]
CMD ["serve"]
