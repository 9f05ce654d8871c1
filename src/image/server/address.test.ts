import { expect, test } from "bun:test";
import { parseAddress } from "./address.ts";

test("where to listen", () => {
  for (const [text, host, port] of [
    ["127.0.0.1:5000", "127.0.0.1", 5000],
    ["localhost:0", "localhost", 0],
    ["[::1]:5000", "::1", 5000],
    [":443", "::", 443],
  ] as const)
    expect(parseAddress(text)).toEqual({ host, port });
  for (const text of ["", "5000", "a", "a:", "a:b", "a:65536", "::1:5000", "http://a:1", "a b:1", "[x y]:1"])
    expect(() => parseAddress(text)).toThrow("not HOST:PORT");
});
