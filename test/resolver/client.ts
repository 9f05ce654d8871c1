/** Asks as a container does; what it is to ask is JSON, its argument, and so is what it tells. */
import { connect } from "node:net";
import { decode, encode, type Packet } from "dns-packet";

export interface Asked {
  readonly server: string;
  readonly name?: string;
  readonly type?: string;
  readonly tcp?: boolean;
  /** Size of an answer that it takes. */
  readonly edns?: number;
  /** Instead of a query: bytes, in hexadecimal digits. */
  readonly raw?: string;
  /** So many, as fast as can be, without waiting for answers. */
  readonly flood?: number;
  /** How long it waits for an answer, in milliseconds, and how often it asks. */
  readonly patience?: number;
  readonly tries?: number;
}

export interface Told {
  readonly code?: string;
  readonly answers?: string[];
  readonly flags?: { readonly aa: boolean; readonly tc: boolean; readonly ra: boolean };
  readonly edns?: boolean;
  readonly length?: number;
  readonly milliseconds?: number;
  readonly got?: number;
  readonly none?: boolean;
}

if (import.meta.main) {
  const asked: Asked[] = JSON.parse(process.argv[2] ?? "[]");
  console.log(JSON.stringify(await Promise.all(asked.map(ask))));
  process.exit(0);
}

async function ask(asked: Asked): Promise<Told> {
  const began = performance.now();
  const bytes = asked.raw === undefined ? packet(asked) : Buffer.from(asked.raw, "hex");
  if (asked.flood !== undefined) return flood(asked, bytes);
  const reply = await (asked.tcp ? byTcp(asked, bytes) : byUdp(asked, bytes));
  if (!reply) return { none: true };
  const {
    rcode,
    answers = [],
    flag_aa: aa,
    flag_tc: tc,
    flag_ra: ra,
    additionals = [],
  } = decode(reply) as ReturnType<typeof decode> & { rcode: string };
  return {
    code: rcode,
    answers: answers.map((answer) => `${answer.type} ${"data" in answer ? String(answer.data) : ""}`).sort(),
    flags: { aa, tc, ra },
    edns: additionals.some(({ type }) => type === "OPT"),
    length: reply.length,
    milliseconds: performance.now() - began,
  };
}

function packet({ name = "", type = "A", edns }: Asked): Buffer {
  const id = Math.floor(Math.random() * 65536);
  const option = { type: "OPT", name: ".", udpPayloadSize: edns, flags: 0x8000, options: [] };
  const query = { type: "query", id, flags: 0x100, questions: [{ name, type }], additionals: edns ? [option] : [] };
  return encode(query as unknown as Packet);
}

async function byUdp({ server, patience = 8000, tries = 1 }: Asked, bytes: Buffer): Promise<Buffer | undefined> {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  const socket = await Bun.udpSocket({
    hostname: server.includes(":") ? "::" : "0.0.0.0",
    socket: { data: (_, reply) => resolve(reply) },
  });
  let reply: Buffer | undefined;
  for (let i = 0; i < tries && !reply; i++) {
    socket.send(bytes, 53, server);
    reply = (await Promise.race([promise, Bun.sleep(patience)])) ?? undefined;
  }
  socket.close();
  return reply;
}

async function byTcp({ server, patience = 8000 }: Asked, bytes: Buffer): Promise<Buffer | undefined> {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  const socket = connect(53, server, () => socket.write(Buffer.concat([length, bytes])));
  let come = Buffer.alloc(0);
  socket.on("data", (more) => {
    come = Buffer.concat([come, more as Buffer]);
    if (come.length >= 2 && come.length >= 2 + come.readUInt16BE(0)) resolve(come.subarray(2));
  });
  socket.on("close", () => resolve(undefined));
  socket.on("error", () => resolve(undefined));
  const reply = await Promise.race([promise, Bun.sleep(patience)]);
  socket.destroy();
  return reply ?? undefined;
}

async function flood({ server, flood: count = 0 }: Asked, bytes: Buffer): Promise<Told> {
  const began = performance.now();
  let got = 0;
  const socket = await Bun.udpSocket({ socket: { data: () => void got++ } });
  for (let i = 0; i < count; i++) {
    if (i % 64 === 0) await Bun.sleep(0);
    bytes.writeUInt16BE(i & 0xffff, 0);
    socket.send(bytes, 53, server);
  }
  await Bun.sleep(300);
  socket.close();
  return { got, milliseconds: performance.now() - began };
}
