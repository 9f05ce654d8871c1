/** The file of events: whole, damaged, full. */
import { afterAll, describe, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EventReader, emit, limitEvents } from "./events.ts";

const scratch = mkdtempSync(join(tmpdir(), "events-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const newPaths = () => ({ root: "/none", state: mkdtempSync(join(scratch, "s-")) });
const id = "a".repeat(64);
const actions = (events: Iterable<{ action: string }>) => [...events].map(({ action }) => action);

describe("events", () => {
  test("are read as they were told, and then those that come", () => {
    const paths = newPaths();
    const before = BigInt(Date.now()) * 1_000_000n;
    emit(paths, "container", "start", id, { name: "n", image: "ü", label: 'a"b' });
    const reader = new EventReader(paths);
    const [event, ...more] = reader.newer();
    expect(more).toEqual([]);
    expect(event).toMatchObject({ type: "container", action: "start", id });
    expect(event?.attributes).toEqual({ name: "n", image: "ü", label: 'a"b' });
    expect(Number((event?.time ?? 0n) - before)).toBeLessThan(5e9);
    expect(Number((event?.time ?? 0n) - before)).toBeGreaterThan(-5e6);
    emit(paths, "image", "tag", "sha256:1", {});
    expect(actions(reader.newer())).toEqual(["tag"]);
    expect(actions(reader.newer())).toEqual([]);
    const other = new EventReader(paths);
    other.skip();
    emit(paths, "image", "untag", "sha256:1", {});
    expect(actions(other.newer())).toEqual(["untag"]);
    reader.close();
    other.close();
  });

  test("nothing fails where they cannot be told, or there are none", () => {
    const paths = { root: "/none", state: join(scratch, "none") };
    emit(paths, "container", "start", id, {});
    limitEvents(newPaths());
    expect(actions(new EventReader(newPaths()).newer())).toEqual([]);
  });

  test("one that was cut short anywhere hides no other", () => {
    const length = 200;
    for (let cut = 1; cut < length; cut += 7) {
      const paths = newPaths();
      emit(paths, "container", "first", id, {});
      const whole = statSync(`${paths.state}/events`).size;
      emit(paths, "container", "second", id, { filler: "x".repeat(100) });
      truncateSync(`${paths.state}/events`, whole + cut);
      const reader = new EventReader(paths);
      expect(actions(reader.newer())).toEqual(["first"]);
      emit(paths, "container", "third", id, {});
      expect({ cut, got: actions(reader.newer()) }).toEqual({ cut, got: ["third"] });
      reader.close();
    }
  });

  test("what is no event is passed over", () => {
    const paths = newPaths();
    appendFileSync(`${paths.state}/events`, Buffer.alloc(600_000, "vitrevt1\x05\0\0\0"));
    emit(paths, "container", "start", id, {});
    const reader = new EventReader(paths);
    expect(actions(reader.newer())).toEqual(["start"]);
    reader.close();
  });

  test("a file that is large gets a number; a reader goes on, and two are kept", () => {
    const paths = newPaths();
    const reader = new EventReader(paths);
    let told = 0;
    let seen = 0;
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 1200; i++) {
        emit(paths, "container", String(told++), id, { filler: "x".repeat(1000) });
        if (i % 100 === 50) for (const { action } of reader.newer()) expect(action).toBe(String(seen++));
      }
      limitEvents(paths);
      limitEvents(paths);
      emit(paths, "container", String(told++), id, {});
      for (const { action } of reader.newer()) expect(action).toBe(String(seen++));
    }
    expect(seen).toBe(told);
    expect(readdirSync(paths.state).length).toBe(2);
    const late = new EventReader(paths);
    const all = [...actions(late.older()), ...actions(late.newer())];
    expect(all.at(-1)).toBe(String(told - 1));
    expect(all.length).toBeGreaterThan(1000);
    reader.close();
    late.close();
  });
});
