/** Names below /proc/PID/ns, by the type as the OCI specification calls it: namespaces(7). */
export const NAMESPACE_FILES = {
  mount: "mnt",
  pid: "pid",
  network: "net",
  ipc: "ipc",
  uts: "uts",
  user: "user",
  cgroup: "cgroup",
  time: "time_for_children",
} as const;
