#!/bin/bash
# usage: ./down.sh [--wipe]   stops only pids recorded in run/*.pid
R=${SAIO:-$(cd "$(dirname "$0")" && pwd)}; export SAIO=$R; cd $R
shopt -s nullglob
pids=()
for f in run/daemon-*.pid run/proxy-server.pid run/*-server-*.pid run/memcached.pid run/rsyncd-main.pid run/rsyslogd-main.pid; do
  p=$(cat $f); kill -TERM $p 2>/dev/null && pids+=($p); rm -f $f
done
for i in $(seq 50); do
  left=0; for p in "${pids[@]}"; do kill -0 $p 2>/dev/null && left=1; done
  [ $left = 0 ] && break; sleep .2
done
# setsid above made each pid a process-group leader: sweep any straggling workers of that group
for p in "${pids[@]}"; do kill -KILL -- -$p 2>/dev/null; done
rm -f run/*.lock run/rsyncd.pid run/log.sock
[ "$1" = --wipe ] && { rm -rf srv/* cache; }
echo "down"
