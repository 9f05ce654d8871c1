/** Names of signals, by number (signal(7), x86-64 and aarch64). */
export const SIGNAL_NAMES =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS".split(
    " ",
  );
const LAST = 64;
const RTMIN = 34;

/** 15 for "SIGTERM", "TERM", "term", "15"; real-time signals as "RTMIN+3". */
export function signalNumber(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) >= 1 && Number(text) <= LAST ? Number(text) : undefined;
  const name = text.toUpperCase().replace(/^SIG/, "");
  const at = SIGNAL_NAMES.indexOf(name);
  if (at >= 0) return at + 1;
  const [, base, sign, offset = "0"] = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name) ?? [];
  if (base === undefined || (sign !== undefined && (base === "MIN") === (sign === "-"))) return undefined;
  const number = base === "MIN" ? RTMIN + Number(offset) : LAST - Number(offset);
  return number >= RTMIN && number <= LAST ? number : undefined;
}
