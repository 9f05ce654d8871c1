import { expect, test } from "bun:test";
import { decode, encode, type Packet } from "dns-packet";
import fc from "fast-check";
import { type Query, RCODE, readQuery } from "./query.ts";
import { fit, ownReply, plainReply, refusal } from "./reply.ts";

function query(name: string, type = "A", edns?: number): Buffer {
  const option = { type: "OPT", name: ".", udpPayloadSize: edns, flags: 0, options: [] };
  const additionals = edns === undefined ? [] : [option];
  return encode({
    type: "query",
    id: 4711,
    flags: 0x100,
    questions: [{ name, type }],
    additionals,
  } as unknown as Packet);
}

function read(bytes: Buffer): Query {
  const found = readQuery(bytes);
  if (typeof found !== "object") throw new Error(`no query: ${found}`);
  return found;
}

test("what is asked", () => {
  expect(read(query("WEB.One"))).toMatchObject({ name: "web.one", type: "A", class: "IN", edns: false, room: 512 });
  expect(read(query("web", "AAAA", 1400))).toMatchObject({ name: "web", type: "AAAA", edns: true, room: 1400 });
  expect(read(query("web", "A", 65535)).room).toBe(4096);
  expect(read(query("web", "A", 10)).room).toBe(512);
  expect(read(query(".", "NS"))).toMatchObject({ name: "", type: "NS" });
});

test("answers have the id and the question as it came", () => {
  const asked = read(query("WeB", "A", 1232));
  const reply = ownReply(asked, [{ type: "A", data: "10.92.0.2" }], 512);
  const told = decode(reply) as ReturnType<typeof decode> & { rcode: string };
  expect(told).toMatchObject({
    id: 4711,
    type: "response",
    rcode: "NOERROR",
    flag_aa: true,
    flag_rd: true,
    flag_ra: true,
  });
  expect(told.questions?.[0]?.name).toBe("WeB");
  expect(told.answers?.[0]).toMatchObject({ type: "A", data: "10.92.0.2" });
  expect(told.additionals?.[0]?.type).toBe("OPT");
});

test("too long: cut to the question", () => {
  const asked = read(query("web"));
  const many = Array.from({ length: 60 }, (_, i) => ({ type: "A" as const, data: `10.92.0.${i}` }));
  const reply = decode(ownReply(asked, many, 512));
  expect(reply.flag_tc).toBe(true);
  expect(reply.answers).toEqual([]);
  const long = Buffer.concat([plainReply(asked, RCODE.nameError), Buffer.alloc(600)]);
  expect(decode(fit(long, asked)) as unknown).toMatchObject({ flag_tc: true, rcode: "NXDOMAIN", id: 4711 });
  expect(fit(reply ? plainReply(asked, 0) : long, asked).length).toBe(asked.bytes.length);
});

test("a name whose bytes are no text is not one of ours", () => {
  const bytes = query("abc");
  bytes[13] = 0xff; // U+FFFD is three bytes long
  const asked = read(bytes);
  const reply = ownReply(asked, [{ type: "A", data: "10.92.0.2" }], 512);
  expect(reply.subarray(12, asked.end)).toEqual(bytes.subarray(12, asked.end));
  expect((decode(reply) as unknown as { rcode: string }).rcode).toBe("NXDOMAIN");
});

test("whatever comes is read or refused, and a refusal is no longer than what came", () => {
  const seeds = [query("web"), query("a.b.c", "AAAA", 1232), query("x".repeat(63), "PTR")];
  const damaged = fc
    .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 6 }), fc.nat(60))
    .map(([seed, changes, cut]) => {
      const bytes = Buffer.from(seed);
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      return bytes.subarray(0, bytes.length - (cut % bytes.length));
    });
  const noise = fc.uint8Array({ maxLength: 700 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.oneof(damaged, noise), (bytes) => {
      const before = Buffer.from(bytes);
      const found = readQuery(bytes);
      expect(bytes.equals(before)).toBe(true);
      if (found === "drop") return;
      if (typeof found === "number") {
        const reply = refusal(bytes, found);
        expect(reply.length).toBe(12);
        expect((reply[3] ?? 0) & 0xf).toBe(found);
        return;
      }
      expect(found.end).toBeLessThanOrEqual(bytes.length);
      const reply = plainReply(found, RCODE.nameError);
      expect(reply.length).toBeLessThanOrEqual(found.end + 11);
      expect(reply.readUInt16BE(0)).toBe(bytes.readUInt16BE(0));
      const own = ownReply(found, [{ type: "A", data: "10.92.0.2" }], 512);
      expect(own.subarray(12, found.end).equals(bytes.subarray(12, found.end))).toBe(true);
      expect(own.length).toBeLessThanOrEqual(512 + 11);
    }),
    { numRuns: 3000 },
  );
});
