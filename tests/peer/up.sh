#!/bin/bash
# usage: [PROFILE=func|func-noenc|bench|bench-full] [PROXY_WORKERS=2] [STORAGE_WORKERS=1] ./up.sh
# Starts rsyslogd, memcached, rsyncd, 4 x {account,container,object}-server, proxy.
R=${SAIO:-$(cd "$(dirname "$0")" && pwd)}; export SAIO=$R; cd $R
ulimit -n 20000
[ -e run/proxy-server.pid ] && kill -0 $(cat run/proxy-server.pid) 2>/dev/null && { echo "already up; run down.sh"; exit 1; }
mkdir -p etc run log cache/{1,2,3,4} srv
for n in 1 2 3 4; do mkdir -p srv/$n/node/sdb$n srv/$n/node/sdb$((n+4)); done
$R/v/bin/python gen_conf.py || exit 1
[ -e etc/object.ring.gz ] || ./remakerings.sh
bg() { # name cmd...
  local name=$1; shift
  setsid "$@" </dev/null >log/$name.out 2>&1 &
  echo $! > run/$name.pid
}
rm -f run/log.sock run/rsyslogd.own.pid run/rsyncd.pid
bg rsyslogd-main /usr/sbin/rsyslogd -n -f $R/etc/rsyslog.conf -i $R/run/rsyslogd.own.pid
bg memcached /usr/bin/memcached -l 127.0.0.1 -p 11211 -u root -m 512 -c 4096
bg rsyncd-main /usr/bin/rsync --daemon --no-detach --config=$R/etc/rsyncd.conf
for i in $(seq 50); do [ -S run/log.sock ] && break; sleep .1; done
for n in 1 2 3 4; do for k in account container object; do
  bg $k-server-$n $R/v/bin/python $R/bin/sw swift-$k-server $R/etc/$k-server/$n.conf
done; done
bg proxy-server $R/v/bin/python $R/bin/sw swift-proxy-server $R/etc/proxy-server.conf
ok=0
for i in $(seq 150); do
  ok=1
  for u in 127.0.0.1:8080 127.0.0.1:62{10,11,12} 127.0.0.2:62{20,21,22} 127.0.0.3:62{30,31,32} 127.0.0.4:62{40,41,42}; do
    curl -fs -o /dev/null http://$u/healthcheck || { ok=0; break; }
  done
  [ $ok = 1 ] && break; sleep .2
done
[ $ok = 1 ] && echo "swift up" || { echo "NOT all up; see log/*.out"; exit 1; }
