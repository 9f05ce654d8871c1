/** Devices of a bundle: nodes, rules for them, and network devices. */
import { invalid } from "../errors.ts";
import { LAST_ID } from "./checkidmappings.ts";
import type { Device, DeviceRule, Linux } from "./config.ts";
import { absolute, among, between, defined, entriesOf, Fields, said, truth, word } from "./json.ts";

/** The kernel's dev_t: 12 and 20 bits. */
const MOST_MAJOR = 0xfff;
const MOST_MINOR = 0xfffff;
export const major = between(0, MOST_MAJOR);
export const minor = between(0, MOST_MINOR);

export function checkDevice(value: unknown, path: string): Device {
  const fields = new Fields(value, path);
  const type = fields.must("type", among(["c", "b", "u", "p"] as const));
  const number = type === "p" ? {} : { major: fields.must("major", major), minor: fields.must("minor", minor) };
  const mode = fields.may("fileMode", between(0, 0o177777));
  return defined({
    path: fields.must("path", absolute),
    type,
    ...number,
    fileMode: mode === undefined ? undefined : mode & 0o7777, // some engines send the type along, as stat(2) has it
    uid: fields.may("uid", between(0, LAST_ID)),
    gid: fields.may("gid", between(0, LAST_ID)),
  });
}

export function checkDeviceRule(value: unknown, path: string): DeviceRule {
  const fields = new Fields(value, path);
  const type = fields.may("type", said);
  return defined({
    allow: fields.must("allow", truth),
    type: type === undefined ? undefined : among(["a", "c", "b"] as const)(type, fields.at("type")),
    major: fields.may("major", between(-1, MOST_MAJOR)),
    minor: fields.may("minor", between(-1, MOST_MINOR)),
    access: fields.may("access", access),
  });
}

function access(value: unknown, path: string): string | undefined {
  const letters = said(value, path);
  if (letters !== undefined && !/^[rwm]+$/.test(letters))
    throw invalid(`${path}: ${JSON.stringify(letters)} is not made of r, w and m`);
  return letters;
}

/** By name on the host. */
export function checkNetDevices(value: unknown, path: string): Linux["netDevices"] | undefined {
  const names = new Map<string, string>();
  const devices = entriesOf(value, path, (item, at, device) => {
    deviceName(device, at);
    const fields = new Fields(item ?? {}, at);
    const name = fields.may("name", said);
    if (name !== undefined) deviceName(name, fields.at("name"));
    const inside = name ?? device;
    const other = names.get(inside);
    // With a "%d" in it, the kernel numbers them.
    if (other !== undefined && !inside.includes("%d")) throw invalid(`${at}: would be called ${inside}, as ${other}`);
    names.set(inside, device);
    return defined({ name });
  });
  return devices.length > 0 ? Object.fromEntries(devices) : undefined;
}

/** The kernel's dev_valid_name(): IFNAMSIZ is 16, with the NUL at the end. */
export function deviceName(value: unknown, path: string): string {
  const name = word(value, path);
  if (new TextEncoder().encode(name).length > 15 || /^\.{0,2}$/.test(name) || /[/:\s]/.test(name))
    throw invalid(
      `${path}: ${JSON.stringify(name)} is no name of a network device`,
      "1 to 15 bytes without slash, colon and space",
    );
  return name;
}
