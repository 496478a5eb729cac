# Builds the server and leaves only the program: SQLite, libpq and OpenSSL are inside it.
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked

FROM debian:bookworm-slim
COPY --from=build /source/target/release/kantele /usr/local/bin/kantele
RUN mkdir /data /tls && chown 10001 /data /tls
USER 10001
VOLUME /data /tls
ENTRYPOINT ["kantele"]
