/** What the host's network namespace holds. The control is --network host. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { attack, compile, type Row, rows, watchCanary, watchFile } from "./tool.ts";

setDefaultTimeout(20_000);
watchFile();
watchCanary();

const NAME = `vitrine-attack-${process.pid}`;
const server = Bun.spawn([compile("network"), "serve"], { env: { NAME, PORT: "0" }, stdin: "ignore" });
afterAll(() => server.kill());
const { value } = await server.stdout.getReader().read();
const flags = ["-e", `NAME=${NAME}`, "-e", `PORT=${new TextDecoder().decode(value).trim()}`];

describe("the host's network", () => {
  const all: Record<string, Row> = {
    abstract: { refused: ["ECONNREFUSED"] },
    loopback: { refused: ["ECONNREFUSED"] },
    links: { refused: ["nothing"], lacking: ["nothing"] }, // a host of nothing but "lo"
    "process-events": { refused: ["ECONNREFUSED", "EPROTONOSUPPORT"], lacking: ["EPROTONOSUPPORT", "nothing"] },
    audit: { refused: ["EPROTONOSUPPORT", "EPERM"], lacking: ["EPROTONOSUPPORT"] },
    "set-link": { refused: ["EPERM"] },
  };
  const off = [
    "--network",
    "host",
    "--pid",
    "host",
    "--userns",
    "host",
    "--cap-add",
    "NET_ADMIN",
    "--cap-add",
    "AUDIT_READ",
  ];
  rows("by default", all, attack("network", flags), attack("network", [...flags, ...off]));
  test.each([[["--userns", "host"]], [["--security-opt", "seccomp=unconfined"]], [["--ipc", "host", "--pid", "host"]]])(
    "%j: the same",
    (more) => expect(attack("network", [...flags, ...more])).toEqual(attack("network", flags)),
  );
  test("with the host's network, its links cannot be changed from a user namespace, whatever the capabilities", () =>
    expect(attack("network", [...flags, "--network", "host", "--cap-add", "ALL"], ["set-link"])).toEqual({
      "set-link": "EPERM",
    }));
});
