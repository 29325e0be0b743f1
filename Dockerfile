# syntax=docker/dockerfile:1
# The program in a small image. It takes the place of the framework's image: recipes in the same folders.

FROM rust:1-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libssl-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# The system's OpenSSL: it gets Debian's security updates when the image is built anew.
ENV OPENSSL_NO_VENDOR=1
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked \
    && cp target/release/datahub-relay /usr/local/bin/datahub-relay

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --user-group --no-create-home --shell /usr/sbin/nologin datahub \
    && install --directory --owner datahub --group datahub \
        /etc/datahub/actions/conf /etc/datahub/actions/system/conf /tmp/logs/datahub/actions
COPY --from=build /usr/local/bin/datahub-relay /usr/local/bin/datahub-relay
USER 1000
# Inside a container the probes and the metrics are asked for from outside it.
ENV DATAHUB_RELAY_MONITORING__ADDRESS=0.0.0.0
EXPOSE 8000
ENTRYPOINT ["datahub-relay"]
CMD ["run", "-c", "/etc/datahub/actions/conf"]
