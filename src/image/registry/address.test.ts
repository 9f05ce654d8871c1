import { describe, expect, test } from "bun:test";
import { hostname, isLoopback, isNamed, isSameSite } from "./address.ts";

test.each([
  ["localhost", true],
  ["LOCALHOST:5000", true],
  ["x.localhost", false],
  ["127.0.0.1:5000", true],
  ["127.9.9.9", true],
  ["[::1]:5000", true],
  ["[::2]", false],
  ["127.0.0.1.evil.org", false],
  ["localhost.evil.org", false],
  ["notlocalhost", false],
  ["10.0.0.1", false],
  ["0.0.0.0", false],
  ["[::ffff:10.0.0.1]", false],
])("isLoopback(%s) is %p", (authority, expected) => expect(isLoopback(authority)).toBe(expected));

test.each([
  ["[::1]:5000", "::1"],
  ["A.b:1", "a.b"],
  ["a", "a"],
])("hostname(%s)", (authority, name) => expect(hostname(authority)).toBe(name));

describe("isNamed", () => {
  test.each([
    ["reg.lan:5000", ["reg.lan:5000"], true],
    ["REG.lan:5000", ["reg.lan"], true],
    ["reg.lan:5001", ["reg.lan:5000"], false],
    ["sub.reg.lan", ["reg.lan"], false],
    ["10.1.2.3:80", ["10.0.0.0/8"], true],
    ["11.1.2.3:80", ["10.0.0.0/8"], false],
    ["[fd00::1]:80", ["fd00::/8"], true],
    ["[fd00::1]", ["10.0.0.0/8"], false],
    ["ten.0.0.1", ["10.0.0.0/8"], false],
  ])("%s in %p is %p", (authority, entries, expected) => expect(isNamed(authority, entries)).toBe(expected));
});

describe("isSameSite", () => {
  test.each([
    ["registry-1.docker.io", "auth.docker.io", true],
    ["quay.io", "quay.io:443", true],
    ["registry.gitlab.com", "gitlab.com", true],
    ["registry.example.com", "example.com.evil.org", false],
    ["registry.example.com", "evilexample.com", false],
    ["a.co.uk", "b.co.uk", false],
    ["r.a.co.uk", "auth.a.co.uk", true],
    ["10.0.0.1", "10.0.0.2", false],
    ["10.0.0.1:1", "10.0.0.1:2", true],
    ["localhost:1", "127.0.0.1:2", true],
    ["registry", "auth", false],
    ["registry.com", "com", false],
    ["[fd00::1]:1", "[fd00::1]:2", true],
  ])("%s and %s: %p", (a, b, expected) => {
    expect(isSameSite(a, b)).toBe(expected);
    expect(isSameSite(b, a)).toBe(expected);
  });
});
