/** A name server as a test needs it, for names below "example". What it is asked is written to the file that is its argument. */
import { appendFileSync } from "node:fs";
import { type Answer, decode, encode, type Packet, RECURSION_AVAILABLE, TRUNCATED_RESPONSE } from "dns-packet";

const [log = "", ...addresses] = process.argv.slice(2);
const BIG = Array.from({ length: 40 }, (_, i) => `${i} ${"x".repeat(60)}`);

for (const hostname of addresses) {
  await Bun.udpSocket({
    hostname,
    port: 53,
    socket: {
      async data(socket, bytes, port, client) {
        for (const reply of await replies(bytes, hostname, false)) socket.send(reply, port, client);
      },
    },
  });
  Bun.listen({
    hostname,
    port: 53,
    socket: {
      async data(socket, bytes) {
        for (const reply of await replies(bytes.subarray(2), hostname, true)) {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(reply.length);
          socket.write(Buffer.concat([length, reply]));
        }
      },
    },
  });
}
console.log("ready");

async function replies(bytes: Buffer, server: string, tcp: boolean): Promise<Buffer[]> {
  const query = decode(bytes);
  const [question] = query.questions ?? [];
  if (!question) return [];
  const { name, type } = question;
  appendFileSync(log, `${server} ${tcp ? "tcp" : "udp"} ${name} ${type}\n`);
  const first = server === addresses[0];
  const opt = query.additionals?.find((record) => record.type === "OPT");
  const reply = (answers: Answer[], more: Partial<Packet> & { rcode?: number } = {}) =>
    encode({
      type: "response",
      id: query.id ?? 0,
      flags: RECURSION_AVAILABLE | (more.rcode ?? 0),
      questions: [question],
      answers,
      ...more,
    });
  const a = (data: string): Answer => ({ type: "A", name, data, ttl: 60 });
  switch (name.toLowerCase()) {
    case "a.example":
      return [type === "A" ? reply([a("192.0.2.1")]) : reply([])];
    case "big.example": {
      const answers = BIG.map((data): Answer => ({ type: "TXT", name, data, ttl: 60 }));
      return [tcp ? reply(answers) : reply([], { flags: RECURSION_AVAILABLE | TRUNCATED_RESPONSE })];
    }
    case "rude.example": // longer than anybody asked for
      return [reply(BIG.map((data): Answer => ({ type: "TXT", name, data, ttl: 60 })))];
    case "slow.example":
      return first ? [] : [reply([a("192.0.2.2")])];
    case "lost.example":
      return [];
    case "refused.example":
      return [first ? reply([], { flags: 5 }) : reply([a("192.0.2.3")])];
    case "forged.example": {
      const other = { ...question, name: "other.example" };
      const right = reply([a("192.0.2.4")]);
      const wrong = reply([a("203.0.113.6")]);
      wrong.writeUInt16BE(((query.id ?? 0) + 1) & 0xffff, 0);
      return [wrong, reply([a("203.0.113.6")], { questions: [other] }), Buffer.from("junk"), Buffer.alloc(0), right];
    }
    case "edns.example": {
      const told = opt?.type === "OPT" ? `${opt.udpPayloadSize} ${opt.flag_do} ${opt.options.length}` : "none";
      return [reply([{ type: "TXT", name, data: told, ttl: 60 }], { additionals: opt ? [opt] : [] })];
    }
    default:
      return [reply([], { flags: RECURSION_AVAILABLE | 3 })];
  }
}
