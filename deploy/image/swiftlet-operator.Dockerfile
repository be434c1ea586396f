# The operator. The context is the folder that deploy/image/build.sh lays out: bin/ with the static binary.
#   docker build -f deploy/image/swiftlet-operator.Dockerfile target/image/swiftlet-operator
FROM scratch
COPY bin /usr/bin
USER 65532:65532
ENTRYPOINT ["/usr/bin/swiftlet-operator"]
