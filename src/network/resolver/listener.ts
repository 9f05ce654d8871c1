/** A network's resolver: UDP and TCP at its gateway addresses, where the firewall leads port 53 to. What strangers send gets no answer. */
import type { Socket, TCPSocketListener } from "bun";
import { RESOLVER_PORT } from "../../plan/network/firewall.ts";
import { addressBytes, isAddress } from "../../spec/subnet.ts";
import type { NetworkNames } from "./names.ts";
import { type Query, RCODE, readQuery } from "./query.ts";
import { fit, plainReply, refusal } from "./reply.ts";
import { resolve } from "./resolve.ts";
import { framed, type Upstream } from "./upstream.ts";

const LONGEST_BY_UDP = 4096;
const LONGEST_BY_TCP = 65535;
/** What others are asked for at once: of all networks, and for one client. */
const MOST_ASKED = 256;
const MOST_ASKED_FOR_ONE = 64;
/** Queries of one client in a second; the rest is not even read. */
const MOST_A_SECOND = 5000;
/** Addresses that ask within a second: of IPv6 there is no end. */
const MOST_CLIENTS = 4096;
const MOST_CONNECTIONS = 256;
const MOST_CONNECTIONS_OF_ONE = 16;
/** Of one connection at once. */
const MOST_PENDING = 8;
const IDLE_SECONDS = 10;

/** What all listeners of this process share. */
export interface Shared {
  readonly upstream: Pick<Upstream, "ask">;
  networks(): Iterable<NetworkNames>;
  /** Of all networks. */
  asked: number;
}

interface Connection {
  come: Buffer;
  pending: number;
  /** What the client has not taken yet. */
  left: Buffer;
  readonly client: string;
}

export class Listener {
  readonly names: NetworkNames;
  readonly #shared: Shared;
  readonly #sockets: { close(): void }[] = [];
  readonly #askedFor = new Map<string, number>();
  readonly #connections = new Map<string, number>();
  /** Who has asked in this second. */
  readonly #clients = new Map<string, { readonly source: readonly number[] | undefined; count: number }>();
  #second = 0;

  constructor(names: NetworkNames, shared: Shared) {
    this.names = names;
    this.#shared = shared;
  }

  get gateways(): string[] {
    const { v4, v6 } = this.names.network;
    return [v4.gateway, ...(v6 ? [v6.gateway] : [])];
  }

  /** @throws if an address is not there, or taken */
  async open(): Promise<void> {
    try {
      for (const hostname of this.gateways) {
        this.#sockets.push(await this.#listenUdp(hostname));
        const tcp = this.#listenTcp(hostname);
        this.#sockets.push({ close: () => tcp.stop(true) });
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    for (const socket of this.#sockets.splice(0)) socket.close();
  }

  #listenUdp(hostname: string) {
    return Bun.udpSocket({
      hostname,
      port: RESOLVER_PORT,
      socket: {
        data: (socket, bytes, port, client) => {
          if (bytes.length > LONGEST_BY_UDP) return;
          const reply = this.#answer(bytes, client, undefined);
          if (reply instanceof Promise) void reply.then((answer) => socket.send(answer, port, client));
          else if (reply) socket.send(reply, port, client);
        },
        error: () => {}, // of one that was answered and is gone
      },
    });
  }

  /** Undefined: it gets no answer. @param room undefined: what the client says that it takes */
  #answer(bytes: Buffer, client: string, room: number | undefined): Buffer | Promise<Buffer> | undefined {
    const source = this.#admit(client);
    if (!source) return undefined;
    const query = readQuery(bytes);
    if (query === "drop") return undefined;
    if (typeof query === "number") return refusal(bytes, query);
    const reply = resolve(query, this.names, source, this.#shared.networks(), room ?? query.room);
    if (reply !== "forward") return reply;
    const kept = { ...query, bytes: Buffer.from(bytes) };
    return this.#forward(kept, client, room !== undefined).then((answer) =>
      room === undefined ? fit(answer, kept) : answer,
    );
  }

  async #forward(query: Query, client: string, tcp: boolean): Promise<Buffer> {
    const mine = this.#askedFor.get(client) ?? 0;
    if (this.#shared.asked >= MOST_ASKED || mine >= MOST_ASKED_FOR_ONE) return plainReply(query, RCODE.serverFailure);
    this.#shared.asked++;
    this.#askedFor.set(client, mine + 1);
    try {
      return (await this.#shared.upstream.ask(query, tcp)) ?? plainReply(query, RCODE.serverFailure);
    } finally {
      this.#shared.asked--;
      lessen(this.#askedFor, client);
    }
  }

  /** Bytes of an address of this network; undefined for strangers, and for who asks too much. */
  #admit(client: string): readonly number[] | undefined {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#clients.clear();
    }
    let known = this.#clients.get(client);
    if (!known) {
      if (this.#clients.size >= MOST_CLIENTS) return undefined;
      known = { source: this.#sourceOf(client), count: 0 };
      this.#clients.set(client, known);
    }
    return ++known.count > MOST_A_SECOND ? undefined : known.source;
  }

  #sourceOf(client: string): readonly number[] | undefined {
    const text = client.replace(/^::ffff:(?=\d+\.)/, "");
    if (!isAddress(text)) return undefined;
    const bytes = addressBytes(text);
    return this.names.covers(bytes) ? bytes : undefined;
  }

  #listenTcp(hostname: string): TCPSocketListener<Connection> {
    return Bun.listen<Connection>({
      hostname,
      port: RESOLVER_PORT,
      socket: {
        open: (socket) => {
          const client = socket.remoteAddress;
          const mine = this.#connections.get(client) ?? 0;
          const total = [...this.#connections.values()].reduce((sum, count) => sum + count, 0);
          this.#connections.set(client, mine + 1);
          socket.data = { come: Buffer.alloc(0), pending: 0, left: Buffer.alloc(0), client };
          if (!this.#sourceOf(client) || mine >= MOST_CONNECTIONS_OF_ONE || total >= MOST_CONNECTIONS)
            socket.terminate();
          else socket.timeout(IDLE_SECONDS);
        },
        data: (socket, bytes) => {
          socket.data.come = Buffer.concat([socket.data.come, bytes]);
          this.#read(socket);
        },
        drain: (socket) => {
          socket.data.left = socket.data.left.subarray(Math.max(0, socket.write(socket.data.left)));
        },
        timeout: (socket) => socket.terminate(),
        close: ({ data }) => lessen(this.#connections, data?.client ?? ""),
        error: (socket) => socket.terminate(),
      },
    });
  }

  #read(socket: Socket<Connection>): void {
    const { data } = socket;
    while (data.come.length >= 2 && data.come.length >= 2 + data.come.readUInt16BE(0)) {
      const end = 2 + data.come.readUInt16BE(0);
      const message = data.come.subarray(2, end);
      data.come = Buffer.from(data.come.subarray(end));
      const reply = data.pending >= MOST_PENDING ? undefined : this.#answer(message, data.client, LONGEST_BY_TCP);
      if (!reply) {
        socket.terminate();
        return;
      }
      socket.timeout(IDLE_SECONDS);
      if (reply instanceof Promise) void this.#later(socket, reply);
      else write(socket, framed(reply));
    }
    if (data.come.length > LONGEST_BY_TCP + 2) socket.terminate();
  }

  async #later(socket: Socket<Connection>, reply: Promise<Buffer>): Promise<void> {
    socket.data.pending++;
    const answer = await reply;
    socket.data.pending--;
    write(socket, framed(answer));
  }
}

function write(socket: Socket<Connection>, bytes: Buffer): void {
  const { data } = socket;
  if (socket.readyState <= 0) return;
  if (data.left.length > 0) data.left = Buffer.concat([data.left, bytes]);
  else data.left = Buffer.from(bytes.subarray(Math.max(0, socket.write(bytes))));
  if (data.left.length > 4 * LONGEST_BY_TCP) socket.terminate(); // asks, and does not listen
}

function lessen(counts: Map<string, number>, client: string): void {
  const count = (counts.get(client) ?? 0) - 1;
  if (count > 0) counts.set(client, count);
  else counts.delete(client);
}
