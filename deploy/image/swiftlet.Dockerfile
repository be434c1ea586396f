# Storage nodes and proxies. The context is the folder that deploy/image/build.sh lays out: bin/ with the static
# binary and Swift's names for it. Docker builds it the same way:
#   docker build -f deploy/image/swiftlet.Dockerfile target/image/swiftlet
FROM scratch
COPY bin /usr/bin
ENV PATH=/usr/bin
USER 65532:65532
ENTRYPOINT ["/usr/bin/swiftlet"]
