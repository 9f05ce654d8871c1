#!/bin/sh
# cell.sh [-n] COMMAND...: as if alone on a host that was just started. Own PIDs, mounts, control groups, /var/tmp and, but for
# -n, network (loopback only). What the command leaves behind goes with it. See docs/decisions/0041-cells.md.
set -eu
V2=/sys/fs/cgroup

# Who is frozen does not end, whatever it is sent.
thaw() {
	find "$@" -name freezer.state -exec sh -c 'for file; do [ "$(cat "$file")" = THAWED ] || echo THAWED >"$file"; done' sh {} + 2>/dev/null || :
	find "$@" -name cgroup.freeze -exec sh -c 'for file; do [ "$(cat "$file")" = 0 ] || echo 0 >"$file"; done' sh {} + 2>/dev/null || :
}

# Groups below have the controllers that this one has; each by itself, for one may be in use by a v1 hierarchy or by processes.
give() {
	for controller in $(cat "$1/cgroup.controllers"); do echo "+$controller" >"$1/cgroup.subtree_control" 2>/dev/null || :; done
}

case ${CELL_STEP-} in
'')
	network=--net
	if [ "${1-}" = -n ]; then
		network=
		shift
	fi
	CELL=cell-$$
	CELL_SCRATCH=$(mktemp -d "/var/tmp/vitrine-$CELL-XXXXXX")
	chmod 1777 "$CELL_SCRATCH"
	# Mount point, type and options of each hierarchy.
	CELL_GROUPS=$(awk '{ for (i = 7; $i != "-"; i++); if ($(i + 1) ~ /^cgroup/) print $5, $(i + 1), $(i + 3) }' /proc/self/mountinfo)
	places=$(echo "$CELL_GROUPS" | cut -d' ' -f1)
	child=

	leave() {
		status=$?
		trap '' INT TERM HUP
		thaw $(for at in $places; do echo "$at/$CELL"; done)
		if [ -n "$child" ] && kill -KILL "$child" 2>/dev/null; then wait "$child" || :; fi # and all of its PID namespace
		# Those that were killed may take a moment.
		for _ in $(seq 50); do
			left=
			for at in $places; do
				find "$at/$CELL" -depth -type d -exec rmdir {} + 2>/dev/null || :
				[ ! -e "$at/$CELL" ] || left=yes
			done
			[ -n "$left" ] || break
			sleep 0.1
		done
		rm -rf --one-file-system "$CELL_SCRATCH"
		exit $status
	}
	trap leave EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP

	if [ -e $V2/cgroup.controllers ]; then give $V2; fi
	for at in $places; do
		mkdir "$at/$CELL"
		if [ -e "$at/cpuset.mems" ]; then for file in cpuset.cpus cpuset.mems; do cat "$at/$file" >"$at/$CELL/$file"; done; fi
	done
	export CELL CELL_SCRATCH CELL_GROUPS network places
	CELL_STEP=enter "$0" "$@" &
	child=$!
	status=0
	wait "$child" || status=$?
	child=
	exit "$status"
	;;
enter)
	for at in $places; do echo $$ >"$at/$CELL/cgroup.procs"; done
	CELL_STEP=leave-root exec unshare --cgroup "$0" "$@"
	;;
leave-root)
	# Where there is v2 only, a group with processes in it can have no controllers: the cell's root has none in it.
	if [ -e $V2/cgroup.controllers ]; then
		mkdir "$V2/$CELL/command"
		echo $$ >"$V2/$CELL/command/cgroup.procs"
		give "$V2/$CELL"
	fi
	CELL_STEP=inside exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc $network "$0" "$@"
	;;
inside)
	mount --bind "$CELL_SCRATCH" /var/tmp
	mkdir -p /run/netns
	mount -t tmpfs netns /run/netns
	PURE=$([ -e $V2/cgroup.controllers ] && echo yes || :)
	umount -l -R /sys
	mount -t sysfs sysfs /sys
	[ -n "$PURE" ] || mount -t tmpfs -o mode=755 cgroup $V2
	echo "$CELL_GROUPS" | while read -r at type options; do
		mkdir -p "$at"
		for word in $(echo "$options" | tr , ' '); do
			case $word in rw | ro | xattr | clone_children | noprefix | release_agent=* | nsdelegate | favordynmods | memory_* | pids_*) continue ;; esac
			named=${named:+$named,}$word
		done
		case $type,${named-} in
		cgroup2,*) mount -t cgroup2 cgroup2 "$at" ;;
		*,name=*) mount -t cgroup -o "none,$named" cgroup "$at" ;;
		*) mount -t cgroup -o "$named" cgroup "$at" ;;
		esac
		named=
	done
	ip link set lo up
	unset CELL CELL_STEP CELL_SCRATCH CELL_GROUPS network places
	status=0
	"$@" || status=$? # a child: the first process takes what others leave
	thaw /sys/fs/cgroup
	exit "$status"
	;;
esac
