import { expect, test } from "bun:test";
import { selectLines } from "./kernellog.ts";

const GROUP = "/vitrine-0123";
const OOM = `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=${GROUP},task_memcg=${GROUP},task=stress,pid=77,uid=0`;
const KILL = "Memory cgroup out of memory: Killed process 77 (stress) total-vm:1048576kB, anon-rss:131072kB";

test("the kill of this group, and the line behind it that tells the sums", () => {
  const log = ["usb 1-1: new device", OOM, KILL, "eth0: link up"];
  expect(selectLines(log, GROUP)).toEqual([OOM, KILL]);
});

test("all kills of the group, oldest first", () => {
  const second = OOM.replace("pid=77", "pid=78");
  expect(selectLines([OOM, KILL, "x", second, KILL], GROUP)).toEqual([OOM, KILL, second, KILL]);
});

test("a line behind it that is no kill stays out; so does the end of the log", () => {
  expect(selectLines([OOM, "eth0: link up"], GROUP)).toEqual([OOM]);
  expect(selectLines([OOM], GROUP)).toEqual([OOM]);
});

test("kills of others stay out", () => {
  const other = OOM.replaceAll(GROUP, "/vitrine-9999");
  expect(selectLines([other, KILL], GROUP)).toEqual([]);
  expect(selectLines([], GROUP)).toEqual([]);
  expect(selectLines([`started ${GROUP}`, KILL], GROUP)).toEqual([]);
});

test("a limit of the group that kills in a group below it", () => {
  const below = OOM.replace(`task_memcg=${GROUP}`, `task_memcg=${GROUP}/inner`).replace("pid=77", "pid=79");
  expect(selectLines([below, KILL], GROUP)).toEqual([below, KILL]);
});

test("a group whose name only begins like this one stays out", () => {
  expect(selectLines([OOM.replaceAll(GROUP, `${GROUP}45`), KILL], GROUP)).toEqual([]);
});

test("in a control group namespace the kernel tells of what is above it, too", () => {
  const above = OOM.replaceAll(GROUP, `/machine.slice/x${GROUP}`);
  expect(selectLines([above, KILL], GROUP)).toEqual([above, KILL]);
  expect(selectLines([OOM.replaceAll(GROUP, `/x${GROUP}45`), KILL], GROUP)).toEqual([]);
});
