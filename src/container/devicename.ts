/** What devices are called that belong to a container, as systemd-nspawn has it: ve-NAME, vb-NAME. */
import { shortened } from "../linux/devicename.ts";
import { STAND_IN } from "./identity.ts";

/** "ve": of a pair; "vb": of a pair that is a bridge's port. */
export type DevicePrefix = "ve" | "vb";

/** The end on the host. */
export const hostDevice = (prefix: DevicePrefix, container: string): string =>
  container === STAND_IN.name ? STAND_IN_DEVICES[prefix] : shortened(`${prefix}-${container}`);

/** For the stand-in of a container's name, so long that the name of any has room. */
export const STAND_IN_DEVICES: Readonly<Record<DevicePrefix, string>> = {
  ve: "ve-0.9WqZk3_tY7",
  vb: "vb-0.9WqZk3_tY7",
};
