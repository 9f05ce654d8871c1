/** linux.netDevices: which devices of this host they are. */
import { carryOut } from "../container/plans.ts";
import { VitrineError } from "../errors.ts";
import { addressesOf } from "../linux/netlink.ts";
import { type NetDevice, readDevices } from "../plan/network/netdevices.ts";
import type { Linux } from "../spec/config.ts";
import type { Runtime } from "./context.ts";

const AT = "$.linux.netDevices";

/** @throws NOT_FOUND */
export function findDevices({ engine }: Runtime, wanted: NonNullable<Linux["netDevices"]>): NetDevice[] {
  const { op, indexes, parts } = readDevices(Object.keys(wanted));
  const { report, numberOf } = carryOut(engine.stage.path, engine.paths, [op]);
  const result = (instruction: Parameters<typeof numberOf>[0]) =>
    Number(report.records[numberOf(instruction)]?.result ?? 0);
  const answers = parts.flatMap(({ bytes, length }) => {
    const size = result(length);
    return size > 0 ? [report.output(bytes).subarray(0, size)] : [];
  });
  return Object.entries(wanted).map(([name, { name: inside = name }]) => {
    const instruction = indexes.get(name);
    const index = instruction ? result(instruction) : 0;
    if (index === 0)
      throw new VitrineError("NOT_FOUND", `${AT}.${name}: there is no such network device`, {
        hint: "ip link shows those of this network namespace",
      });
    const addresses = addressesOf(index, answers);
    if (!addresses) throw new VitrineError("BROKEN_STATE", `${AT}.${name}: the host has too many addresses to read`);
    return { name, index, inside, addresses };
  });
}
