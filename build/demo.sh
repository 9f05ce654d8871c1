#!/bin/sh
# Runs the main job once and shows what it gives: a container of this host's own programs.
set -eu
here=$(dirname "$0")
"$here/need-root.sh" bash ls ps id mount grep cat hostname
exec "$here/../dist/vitrine" run --rm --network none --hostname showcase --memory 128m --cpus 0.5 --pids-limit 64 --timeline \
	host:bash,ls,ps,id,mount,grep,cat,hostname bash -c '
echo "host name:  $(hostname)"
echo "user:       $(id)"
echo "ids:        root inside is id $(while read -r _ outside _; do echo $outside; done < /proc/self/uid_map) outside"
echo; echo "its processes:"; ps -e -o pid,user,comm
echo; echo "its files:"; ls /
echo; echo "its mounts:"; mount | grep -E " (/|/proc|/dev|/sys|/sys/fs/cgroup/memory|/dev/shm) "
echo; echo "its limits:"
for f in memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us pids/pids.max memory.max cpu.max pids.max; do
	[ -r /sys/fs/cgroup/$f ] && echo "$f = $(cat /sys/fs/cgroup/$f)"
done
echo; echo "its rights:"; grep -E "CapEff|NoNewPrivs|Seccomp:" /proc/self/status
echo; echo "and how long each step of the start took:"'
