import { describe, expect, test } from "bun:test";
import { refusal } from "../../../test/facts.ts";
import { DEFAULT_CONFIGURATION, parseRegistriesConfiguration } from "./configuration.ts";

const parse = (value: unknown) => parseRegistriesConfiguration(JSON.stringify(value), "r.json");

describe("registries.json", () => {
  test("an empty one is as good as none", () => expect(parse({})).toEqual(DEFAULT_CONFIGURATION));

  test("all of it", () =>
    expect(
      parse({
        insecure: ["reg.lan:5000", "10.0.0.0/8"],
        mirrors: { "docker.io": ["https://mirror.lan/", "http://localhost:5000", "m2"] },
        realms: { "reg.lan:5000": ["sso.other.lan"] },
        certificates: ["/c"],
        attempts: 2,
        pause: 0.25,
        idle: 5,
      }),
    ).toEqual({
      insecure: ["reg.lan:5000", "10.0.0.0/8"],
      mirrors: new Map([
        [
          "docker.io",
          [
            { host: "mirror.lan", plain: false },
            { host: "localhost:5000", plain: true },
            { host: "m2", plain: false },
          ],
        ],
      ]),
      realms: new Map([["reg.lan:5000", ["sso.other.lan"]]]),
      certificates: ["/c"],
      patience: { attempts: 2, pauseMs: 250, idleMs: 5000 },
    }));

  test.each([
    [{ mirror: [] }, "r.json: $.mirror: is not known"],
    [{ insecure: "x" }, "r.json: $.insecure: "],
    [{ insecure: ["http://x"] }, "r.json: $.insecure[0]: "],
    [{ mirrors: { "docker.io": ["https://m/path"] } }, 'r.json: $.mirrors["docker.io"][0]: '],
    [{ mirrors: { "https://x": [] } }, "r.json: $.mirrors: "],
    [{ attempts: 0 }, "r.json: $.attempts: "],
    [{ pause: -1 }, "r.json: $.pause: "],
    [{ idle: "1s" }, "r.json: $.idle: "],
  ])("%j is refused", (value, message) => expect(refusal(() => parse(value)).message).toStartWith(message));
});
