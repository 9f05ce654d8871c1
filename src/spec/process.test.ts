import { describe, expect, test } from "bun:test";
import { PLAIN, refusal } from "../../test/facts.ts";
import { signalNumber } from "../linux/signals.ts";
import type { RunOptions } from "./options.ts";
import { annotationsOf, domainnameOf, priorityOf, timeOffsetsOf, timeoutOf, umaskOf } from "./process.ts";

const asked = (options: Partial<RunOptions>): RunOptions => ({ ...PLAIN, ...options });

describe("what is said about the process", () => {
  test("umask", () => {
    expect(umaskOf(asked({}))).toBe(0o022);
    expect(umaskOf(asked({ umask: "0077" }))).toBe(0o077);
    for (const umask of ["8", "", "-1", "00777", "0x1"])
      expect(refusal(() => umaskOf(asked({ umask }))).code).toBe("INVALID");
  });
  test("priorities", () => {
    expect(priorityOf(asked({}))).toEqual({});
    expect(priorityOf(asked({ nice: "-5", oomScoreAdj: "100" }))).toEqual({
      oomScoreAdj: 100,
      scheduler: { policy: "SCHED_OTHER", nice: -5 },
    });
    for (const nice of ["20", "-21", "1.5", ""])
      expect(refusal(() => priorityOf(asked({ nice }))).code).toBe("INVALID");
    for (const oomScoreAdj of ["1001", "-1001", "x"])
      expect(refusal(() => priorityOf(asked({ oomScoreAdj }))).code).toBe("INVALID");
  });
  test("domain name", () => {
    expect(domainnameOf(asked({ domainname: "example.org" }))).toBe("example.org");
    expect(refusal(() => domainnameOf(asked({ domainname: "a b" }))).message).toContain("not a domain name");
    expect(refusal(() => domainnameOf(asked({ domainname: "a", uts: "host" }))).message).toContain("another's");
  });
  test("clocks", () => {
    expect(timeOffsetsOf(asked({}))).toBeUndefined();
    expect(timeOffsetsOf(asked({ timeOffsets: ["boottime=86400", "monotonic=-5"] }))).toEqual({
      boottime: { secs: 86400, nanosecs: 0 },
      monotonic: { secs: -5, nanosecs: 0 },
    });
    for (const text of ["boottime", "realtime=1", "boottime=1.5", "boottime=99999999999"])
      expect(refusal(() => timeOffsetsOf(asked({ timeOffsets: [text] }))).code).toBe("INVALID");
  });
  test("labels and how it is stopped", () => {
    expect(annotationsOf(asked({ labels: ["a=b=c", "bare"], stopSignal: "SIGQUIT", stopTimeout: "5" }))).toEqual({
      a: "b=c",
      bare: "",
      "org.opencontainers.image.stopSignal": "SIGQUIT",
      "dev.vitrine.stopTimeout": "5",
    });
    expect(refusal(() => annotationsOf(asked({ labels: ["=x"] }))).message).toBe('--label "=x": has no name');
    expect(refusal(() => annotationsOf(asked({ annotations: ["=x"] }))).message).toBe('--annotation "=x": has no name');
    expect(refusal(() => annotationsOf(asked({ stopSignal: "SIGNOPE" }))).message).toContain("no signal");
  });
  test("time-out", () => {
    expect(timeoutOf(asked({}))).toBe(0);
    expect(timeoutOf(asked({ timeout: "3" }))).toBe(3000);
    expect(refusal(() => timeoutOf(asked({ timeout: "1s" }))).code).toBe("INVALID");
  });
});

test.each([
  ["SIGTERM", 15],
  ["term", 15],
  ["9", 9],
  ["SIGSYS", 31],
  ["RTMIN", 34],
  ["SIGRTMIN+3", 37],
  ["RTMAX-2", 62],
  ["RTMAX", 64],
  ["65", undefined],
  ["0", undefined],
  ["RTMIN-1", undefined],
  ["RTMIN+31", undefined],
  ["", undefined],
  ["NOPE", undefined],
])("signal %s is %p", (name, number) => expect(signalNumber(name)).toBe(number));
