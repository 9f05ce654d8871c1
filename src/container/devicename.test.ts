import { expect, test } from "bun:test";
import { shortened } from "../linux/devicename.ts";
import { hostDevice, STAND_IN_DEVICES } from "./devicename.ts";

test("short ones stay, long ones are told apart by a hash", () => {
  expect(hostDevice("ve", "web")).toBe("ve-web");
  expect(hostDevice("vb", "123456789012")).toBe("vb-123456789012");
  const [one, two] = ["container-with-a-long-name-1", "container-with-a-long-name-2"].map((name) =>
    hostDevice("ve", name),
  );
  expect(one).toMatch(/^ve-containe[A-Za-z0-9_-]{4}$/);
  expect(two).toMatch(/^ve-containe[A-Za-z0-9_-]{4}$/);
  expect(one).not.toBe(two);
  expect(one).toBe("ve-containebdHv"); // what systemd-nspawn 252 makes of it
  expect(shortened("mv-enp0s31f6")).toBe("mv-enp0s31f6");
});

test("the stand-ins have room for any", () => {
  for (const name of Object.values(STAND_IN_DEVICES)) expect(name).toHaveLength(15);
});
