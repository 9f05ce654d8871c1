/** What a host can run out of, told by the error of a call. */
const HINTS: Readonly<Record<string, string>> = {
  ENOSPC:
    "no space or no inodes are left on this file system: df and df -i tell; vitrine rm and system prune need none",
  EDQUOT: "the quota of this file system is used up: vitrine rm and system prune free some of it",
  EMFILE:
    "this process may not open so many files: raise its limit (ulimit -n, up to ulimit -Hn); 1024 are enough for some hundred mounts",
  ENFILE: "the host has no more open files to give: /proc/sys/fs/file-max",
  ENOMEM: "the kernel has no memory left for this, or the control group of the caller has not",
};
const NO_PROCESS =
  "no more processes can be made: the limit is pids.max of the caller's control groups, ulimit -u, or /proc/sys/kernel/pid_max";
const MAKES_PROCESSES = /^(posix_spawn|spawn|spawnSync|v?fork|clone3?)\b/;

/**
 * What to do about it; undefined for errors of another kind.
 * @param errno its name
 * @param call that failed
 */
export function whatIsUsedUp(errno: string, call: string): string | undefined {
  if (errno === "EAGAIN") return MAKES_PROCESSES.test(call) ? NO_PROCESS : undefined;
  return HINTS[errno];
}

/** Of an error that a call of the runtime threw. */
export function usedUpIn(error: unknown): string | undefined {
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  return typeof code === "string" ? whatIsUsedUp(code, syscall ?? "") : undefined;
}
