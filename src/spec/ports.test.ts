import { expect, test } from "bun:test";
import { parseExposed, parsePublish } from "./ports.ts";

const short = (text: string) =>
  parsePublish(text, "127.0.0.1").map((p) => `${p.host} ${p.hostPort} ${p.port}/${p.protocol}`);

test.each([
  ["80", ["127.0.0.1 0 80/tcp"]],
  ["8080:80", ["127.0.0.1 8080 80/tcp"]],
  ["8080:80/udp", ["127.0.0.1 8080 80/udp"]],
  ["0.0.0.0:8080:80", ["0.0.0.0 8080 80/tcp"]],
  ["127.0.0.2::80", ["127.0.0.2 0 80/tcp"]],
  [":8080:80", ["127.0.0.1 8080 80/tcp"]],
  ["[::]:8080:80", [":: 8080 80/tcp"]],
  ["[fd00::1]::53/udp", ["fd00::1 0 53/udp"]],
  ["8000-8001:80-81", ["127.0.0.1 8000 80/tcp", "127.0.0.1 8001 81/tcp"]],
  ["80-81", ["127.0.0.1 0 80/tcp", "127.0.0.1 0 81/tcp"]],
])("%s", (text, expected) => expect(short(text)).toEqual(expected));

test.each([
  ["", "no port"],
  ["0", "no port, or range"],
  ["65536", "no port, or range"],
  ["80:", "no port"],
  ["web:80", '"web" is no port'],
  ["1.2.3:80:80", "no address"],
  ["::1:80:80", ""],
  ["[::1]:80:80", "::1"],
  ["80/sctp", "SCTP"],
  ["80/dccp", "no protocol"],
  ["80/", "no protocol"],
  ["81-80:81-80", "ends before"],
  ["8000-8002:80-81", "differ in length"],
  ["1-2000:1-2000", "1024 at most"],
])("%p is refused", (text, why) => expect(() => parsePublish(text, "127.0.0.1")).toThrow(why));

test.each(["udp", "tcp", "sctp"] as const)("exposed: %s", (protocol) =>
  expect(parseExposed(`53-54/${protocol}`)).toEqual([
    { port: 53, protocol },
    { port: 54, protocol },
  ]),
);
