#!/usr/bin/env python3
"""The cluster of our side in the wire check: that of deploy/examples/dev.yaml, with the pipeline and the options that the
peer has (profile `wire` of tests/peer/gen_conf.py).

usage: manifest.py >FILE
"""

import pathlib

DEV = pathlib.Path(__file__).resolve().parents[2] / "deploy/examples/dev.yaml"
PIPELINE = """
      pipeline:main:
        pipeline: >-
          catch_errors gatekeeper healthcheck proxy-logging cache etag-quoter domain_remap listing_formats bulk tempurl ratelimit
          crossdomain formpost tempauth staticweb copy container-quotas account-quotas slo dlo versioned_writes symlink
          proxy-logging proxy-server
      filter:crossdomain: {use: "egg:swift#crossdomain"}
      filter:domain_remap: {storage_domain: example.net}
      filter:tempurl: {allowed_digests: sha1 sha256 sha512}
      filter:formpost: {allowed_digests: sha1 sha256 sha512}"""


def main():
    """Puts the options below `proxy-server.conf` of the cluster that everybody knows."""
    place = "\n    proxy-server.conf:"
    text = DEV.read_text()
    if text.count(place) != 1:
        raise SystemExit(f"{DEV} has no one {place.strip()!r} to put the filters of the wire check below")
    text = text.replace(place, place + PIPELINE)
    # The peer runs no daemons, so counts are not to reach accounts on either side.
    print(text.replace('updater: {interval: "5"}', 'updater: {interval: "86400"}'), end="")


if __name__ == "__main__":
    main()
