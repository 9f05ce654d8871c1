import { expect, test } from "bun:test";
import type { Digest } from "./digest.ts";
import type { Index, Platform } from "./image.ts";
import { OCI_INDEX, OCI_MANIFEST } from "./mediatypes.ts";
import { choosePlatform, formatPlatform, hostPlatform, parsePlatform } from "./platform.ts";

const HOST = hostPlatform("x64");
const parse = (text: string) => formatPlatform(parsePlatform(text, HOST));

test("platforms as people write them", () => {
  expect(HOST).toEqual({ os: "linux", architecture: "amd64" });
  expect(hostPlatform("arm64").architecture).toBe("arm64");
  expect(
    [
      "linux/amd64",
      "x86_64",
      "linux",
      "linux/arm64/v8",
      "aarch64",
      "linux/arm/v6",
      "linux/arm",
      "armhf",
      "linux/arm/7",
    ].map(parse),
  ).toEqual([
    "linux/amd64",
    "linux/amd64",
    "linux/amd64",
    "linux/arm64",
    "linux/arm64",
    "linux/arm/v6",
    "linux/arm/v7",
    "linux/arm/v7",
    "linux/arm/v7",
  ]);
  for (const text of ["", "a/b/c/d", "linux/", "linux/a m"])
    expect(() => parse(text)).toThrow("not of the form OS/ARCH");
});

function index(...platforms: (Platform | undefined)[]): Index {
  const entry = (platform: Platform | undefined, i: number) => ({
    mediaType: OCI_MANIFEST,
    digest: `sha256:${String(i).repeat(64)}` as Digest,
    size: 1,
    ...(platform ? { platform } : {}),
  });
  return { mediaType: OCI_INDEX, manifests: platforms.map(entry) };
}
const linux = (architecture: string, variant?: string): Platform => ({
  os: "linux",
  architecture,
  ...(variant ? { variant } : {}),
});
const chosen = (from: Index, wanted: Platform) => from.manifests.indexOf(choosePlatform(from, wanted, "x"));

test("the entry of an index that suits best", () => {
  const arms = index(linux("arm", "v5"), linux("arm", "v7"), linux("arm", "v6"), linux("arm64", "v8"), linux("amd64"));
  expect(chosen(arms, linux("arm", "v7"))).toBe(1);
  expect(chosen(arms, linux("arm", "v6"))).toBe(2);
  expect(chosen(arms, linux("arm64"))).toBe(3);
  expect(chosen(arms, HOST)).toBe(4);
  expect(chosen(index(linux("amd64", "v3"), linux("amd64")), HOST)).toBe(1);
  expect(chosen(index(undefined), HOST)).toBe(0);
  expect(chosen(index({ os: "unknown", architecture: "unknown" }, linux("amd64")), HOST)).toBe(1);
  expect(() => chosen(arms, linux("s390x"))).toThrow("x: no image for linux/s390x");
  expect(() => chosen(index(), HOST)).toThrow("no image for");
});
