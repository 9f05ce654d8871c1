/** Debian's cloud kernel, and of its modules those that a machine needs, in the order in which they load. */
import { existsSync, readdirSync, readFileSync } from "node:fs";

export interface Kernel {
  readonly image: string;
  /** Files of modules. */
  readonly modules: readonly string[];
}

/** The disk, overlayfs, and what networks are made of. One that is built in is in no list, and needs no loading. */
const WANTED = [
  "virtio_pci",
  "virtio_blk",
  "overlay",
  "veth",
  "bridge",
  "nf_tables",
  "nft_ct",
  "nft_chain_nat",
  "nft_nat",
  "nft_masq",
  "nft_fib_ipv4",
  "nft_fib_ipv6",
  "nft_fib_inet",
  "unix_diag",
  "tcp_diag",
  "udp_diag",
  "raw_diag",
  "netlink_diag",
  "af_packet_diag",
  "nf_conntrack_netlink",
];

export function findKernel(): Kernel | undefined {
  const name = existsSync("/boot") ? readdirSync("/boot").find((n) => /^vmlinuz-.*cloud-amd64$/.test(n)) : undefined;
  const modules = `/lib/modules/${name?.slice("vmlinuz-".length)}`;
  if (!name || !existsSync(`${modules}/modules.dep`)) return undefined;
  const load = loadOrder(readFileSync(`${modules}/modules.dep`, "utf8"), WANTED);
  return { image: `/boot/${name}`, modules: load.map((file) => `${modules}/${file}`) };
}

/** depmod(8) writes "FILE: NEEDED…", all of them, the first to load last. */
function loadOrder(dependencies: string, wanted: readonly string[]): string[] {
  const order = new Set<string>();
  for (const line of dependencies.split("\n")) {
    const [file = "", needed = ""] = line.split(":");
    const name = file.slice(file.lastIndexOf("/") + 1).replace(/\.ko.*$/, "");
    if (!wanted.includes(name.replaceAll("-", "_"))) continue;
    for (const other of needed.split(" ").filter(Boolean).reverse()) order.add(other);
    order.add(file);
  }
  return [...order];
}
