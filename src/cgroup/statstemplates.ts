/**
 * Which figures are told of a container, in the shape that `runc events --stats` prints, by cgroup version. The front fills them in
 * too (front/stats.c, by way of build/generate-texts.ts), so they are in a language of lines. What a host does not count is absent.
 *
 *   { KEY, }                   an object
 *   f KEY FILE                 an object if that file is there; else all up to its end is left out
 *   = KEY JSON                 as it stands
 *   n KEY FILE [DEFAULT]       the number in a file ("max" is none)
 *   z KEY FILE                 the same, absent if zero
 *   s KEY FILE FILE [DEFAULT]  the sum of two: of those that there are, or the default if one is missing
 *   p KEY FILE NAME FACTOR     a number by its name in lines of "name number", zero if it is not there
 *   q, ?                       the same, absent if it is not there; or zero
 *   a KEY FILE                 all numbers by their names
 *   w KEY FILE                 an array of the numbers in a file
 *   c KEY FILE COLUMN          a column (0 is the first) of a table that has a head
 *   l KEY FILE FILE            the list "0-2,4" of the first of two that is not empty, as an array
 *   b KEY FILE                 lines of "major:minor op number"
 *   i KEY FILE READ WRITE      lines of "major:minor name=number …", two names
 *
 * "1:" before the name of a file: in the second directory of the part.
 */

const usageV1 = (key: string, prefix: string) => `{ ${key}
n limit memory.${prefix}limit_in_bytes 0
z usage memory.${prefix}usage_in_bytes
z max memory.${prefix}max_usage_in_bytes
n failcnt memory.${prefix}failcnt 0
}`;

/** Sizes of huge pages that Linux has on the machines that we build for. */
const HUGE = ["64KB", "1MB", "2MB", "32MB", "512MB", "1GB", "16GB"];

const CPUSET = `{ cpuset
l cpus cpuset.cpus cpuset.cpus.effective
l mems cpuset.mems cpuset.mems.effective
`;

/** As runc has it for v2: without a limit the largest number, and swap counted together with memory. */
const NONE = Number.MAX_SAFE_INTEGER;

export const STATS_TEMPLATES: Readonly<Record<string, string>> = {
  cpu1: `{ cpu
{ usage
n total cpuacct.usage
w percpu cpuacct.usage_percpu
c percpu_kernel cpuacct.usage_all 2
c percpu_user cpuacct.usage_all 1
p kernel cpuacct.stat system 10000000
p user cpuacct.stat user 10000000
}
{ throttling
? periods 1:cpu.stat nr_periods 1
? throttledPeriods 1:cpu.stat nr_throttled 1
? throttledTime 1:cpu.stat throttled_time 1
}
}`,
  cpu2: `{ cpu
{ usage
q total cpu.stat usage_usec 1000
p kernel cpu.stat system_usec 1000
p user cpu.stat user_usec 1000
}
{ throttling
? periods cpu.stat nr_periods 1
? throttledPeriods cpu.stat nr_throttled 1
? throttledTime cpu.stat throttled_usec 1000
}
}`,
  cpuset1: `${CPUSET}n cpu_exclusive cpuset.cpu_exclusive
n mem_hardwall cpuset.mem_hardwall
n mem_exclusive cpuset.mem_exclusive
n memory_migrate cpuset.memory_migrate
n memory_spread_page cpuset.memory_spread_page
n memory_spread_slab cpuset.memory_spread_slab
n memory_pressure cpuset.memory_pressure
n sched_load_balance cpuset.sched_load_balance
n sched_relax_domain_level cpuset.sched_relax_domain_level
}`,
  cpuset2: `${CPUSET}}`,
  memory1: `{ memory
q cache memory.stat cache 1
${usageV1("usage", "")}
${usageV1("swap", "memsw.")}
${usageV1("kernel", "kmem.")}
${usageV1("kernelTCP", "kmem.tcp.")}
a raw memory.stat
}`,
  memory2: `{ memory
q cache memory.stat file 1
{ usage
n limit memory.max ${NONE}
n usage memory.current 0
n max memory.peak
p failcnt memory.events max 1
}
{ swap
s limit memory.max memory.swap.max ${NONE}
s usage memory.current memory.swap.current
= failcnt 0
}
= kernel {"limit":0,"failcnt":0}
= kernelTCP {"limit":0,"failcnt":0}
a raw memory.stat
}`,
  pids1: `{ pids
n current pids.current
n limit pids.max
}`,
  pids2: `{ pids
n current pids.current
n limit pids.max
}`,
  blkio1: `{ blkio
b ioServiceBytesRecursive blkio.throttle.io_service_bytes_recursive
b ioServicedRecursive blkio.throttle.io_serviced_recursive
}`,
  blkio2: `{ blkio
i ioServiceBytesRecursive io.stat rbytes wbytes
i ioServicedRecursive io.stat rios wios
}`,
  hugetlb1: `{ hugetlb
${HUGE.map(
  (size) => `f ${size} hugetlb.${size}.usage_in_bytes
z usage hugetlb.${size}.usage_in_bytes
z max hugetlb.${size}.max_usage_in_bytes
n failcnt hugetlb.${size}.failcnt 0
}`,
).join("\n")}
}`,
  hugetlb2: `{ hugetlb
${HUGE.map(
  (size) => `f ${size} hugetlb.${size}.current
z usage hugetlb.${size}.current
p failcnt hugetlb.${size}.events max 1
}`,
).join("\n")}
}`,
};

/** Behind all parts. */
export const STATS_END = `= intel_rdt {}
= network_interfaces null`;
