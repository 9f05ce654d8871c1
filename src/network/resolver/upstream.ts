/** The host's own resolvers: those of its resolv.conf(5). */
import { readFileSync, statSync } from "node:fs";
import { isAddress } from "../../spec/subnet.ts";
import { HEADER, type Query, RCODE } from "./query.ts";

export interface ResolvConf {
  readonly servers: readonly string[];
  readonly timeoutMs: number;
  readonly attempts: number;
}

const MOST_SERVERS = 3;
const TIMEOUT_MS = 2000;
const ATTEMPTS = 2;
const TCP_TIMEOUT_MS = 5000;
/** How often it is looked whether the file has changed. */
const LOOK_MS = 1000;
const PORT = 53;

export function parseResolvConf(text: string): ResolvConf {
  const lines = text.split("\n").map((line) =>
    line
      .replace(/[#;].*$/, "")
      .trim()
      .split(/\s+/),
  );
  const servers = lines
    .filter(([word]) => word === "nameserver")
    .flatMap(([, address = ""]) => (isAddress(address.replace(/%[\w.-]+$/, "")) ? [address] : []))
    .slice(0, MOST_SERVERS);
  const options = lines.filter(([word]) => word === "options").flatMap(([, ...words]) => words);
  const number = (name: string) => Number(options.find((word) => word.startsWith(`${name}:`))?.split(":")[1]);
  const within = (value: number, most: number) => (value >= 1 && value <= most ? value : undefined);
  return {
    servers,
    timeoutMs: (within(number("timeout"), 10) ?? TIMEOUT_MS / 1000) * 1000,
    attempts: within(number("attempts"), 5) ?? ATTEMPTS,
  };
}

export class Upstream {
  readonly #file: string;
  readonly #isOwn: (address: string) => boolean;
  #conf: ResolvConf = { servers: [], timeoutMs: TIMEOUT_MS, attempts: ATTEMPTS };
  #looked = Number.NEGATIVE_INFINITY;
  #changed: bigint | undefined;
  /** The one that has answered last: others are asked after it. */
  #best: string | undefined;

  /** @param isOwn an address at which we listen ourselves: it is not asked */
  constructor(file: string, isOwn: (address: string) => boolean) {
    this.#file = file;
    this.#isOwn = isOwn;
  }

  /** The first good answer, else a bad one; undefined if there is none in time. @param tcp answers may be long */
  async ask(query: Query, tcp: boolean): Promise<Buffer | undefined> {
    const { servers, timeoutMs, attempts } = this.#configured();
    let bad: Buffer | undefined;
    for (let attempt = 0; attempt < attempts; attempt++)
      for (const server of servers) {
        const answer = await this.#askOne(query, server, tcp, timeoutMs);
        if (answer && !isBad(answer)) {
          this.#best = server;
          return answer;
        }
        bad ??= answer;
      }
    return bad;
  }

  async #askOne(query: Query, server: string, tcp: boolean, timeoutMs: number): Promise<Buffer | undefined> {
    const long = tcp ? await askByTcp(query, server).catch(() => undefined) : undefined;
    return long ?? (await askByUdp(query, server, timeoutMs).catch(() => undefined));
  }

  #configured(): ResolvConf {
    this.#look();
    const { servers, ...rest } = this.#conf;
    const best = this.#best;
    if (best === undefined || servers[0] === best || !servers.includes(best)) return this.#conf;
    return { ...rest, servers: [best, ...servers.filter((server) => server !== best)] };
  }

  #look(): void {
    const now = performance.now();
    if (now - this.#looked < LOOK_MS) return;
    this.#looked = now;
    const changed = statSync(this.#file, { bigint: true, throwIfNoEntry: false })?.mtimeNs;
    if (changed === this.#changed) return;
    this.#changed = changed;
    this.#best = undefined;
    const conf = parseResolvConf(changed === undefined ? "" : readFileSync(this.#file, "utf8"));
    this.#conf = { ...conf, servers: conf.servers.filter((server) => !this.#isOwn(server)) };
  }
}

/** Another server may know more. */
function isBad(answer: Buffer): boolean {
  const code = (answer[3] ?? 0) & 0xf;
  return code === RCODE.serverFailure || code === RCODE.notImplemented || code === RCODE.refused;
}

/** From a port that the kernel chooses, with an id of our own: what comes has to fit both, and the question. */
async function askByUdp(query: Query, server: string, timeoutMs: number): Promise<Buffer | undefined> {
  const { sent, restored } = readdressed(query);
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  const socket = await Bun.udpSocket({
    hostname: server.includes(":") ? "::" : "0.0.0.0", // of the same family
    connect: { hostname: server, port: PORT },
    socket: {
      data(_, bytes) {
        const answer = restored(bytes);
        if (answer) resolve(answer);
      },
      error: () => resolve(undefined), // nobody listens there
    },
  });
  const timer = setTimeout(resolve, timeoutMs, undefined);
  try {
    socket.send(sent);
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}

async function askByTcp(query: Query, server: string): Promise<Buffer | undefined> {
  const { sent, restored } = readdressed(query);
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  const timer = setTimeout(resolve, TCP_TIMEOUT_MS, undefined);
  let come = Buffer.alloc(0);
  const connecting = Bun.connect({
    hostname: server,
    port: PORT,
    socket: {
      open(socket) {
        socket.write(framed(sent));
      },
      data(_, bytes) {
        come = Buffer.concat([come, bytes]);
        if (come.length >= 2 && come.length >= 2 + come.readUInt16BE(0))
          resolve(restored(come.subarray(2, 2 + come.readUInt16BE(0))));
      },
      close: () => resolve(undefined),
      error: () => resolve(undefined),
      connectError: () => resolve(undefined),
    },
  }).catch(() => undefined);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    void connecting.then((socket) => socket?.terminate());
  }
}

/** As TCP carries messages. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length, 0);
  return Buffer.concat([length, message]);
}

function readdressed({ bytes, end }: Query): { sent: Buffer; restored(answer: Buffer): Buffer | undefined } {
  const sent = Buffer.from(bytes);
  const [id = 0] = crypto.getRandomValues(new Uint16Array(1));
  sent.writeUInt16BE(id, 0);
  const question = lower(bytes.subarray(HEADER, end));
  return {
    sent,
    restored(answer) {
      const fits =
        answer.length >= end &&
        answer.readUInt16BE(0) === id &&
        ((answer[2] ?? 0) & 0x80) !== 0 &&
        answer.readUInt16BE(4) === 1 &&
        lower(answer.subarray(HEADER, end)).equals(question);
      if (!fits) return undefined;
      const own = Buffer.from(answer);
      bytes.copy(own, 0, 0, 2);
      return own;
    },
  };
}

/** Of ASCII letters alone: so names are compared. */
const lower = (bytes: Buffer) => Buffer.from(bytes.map((byte) => (byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte)));
