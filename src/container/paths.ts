/** Where the engine keeps its files. Directories are made 0700. */
export interface Paths {
  /** What lasts: images, containers that stay, names, the stage. */
  readonly root: string;
  /** What a reboot ends: runs, facts of the host. */
  readonly state: string;
}

export const DEFAULT_ROOT = "/var/lib/vitrine";
export const DEFAULT_STATE = "/run/vitrine";
/** What this engine makes on the host has plain names then; that of others is told from it. */
export const isDefault = ({ root, state }: Paths) => root === DEFAULT_ROOT && state === DEFAULT_STATE;

export const runsDirectory = (p: Paths) => `${p.state}/runs`;
/** See holders.ts. */
export const holdersFile = (p: Paths) => `${p.state}/holders`;
export const eventsFile = (p: Paths) => `${p.state}/events`;
export const factsFile = (p: Paths) => `${p.state}/facts.json`;
export const stageDirectory = (p: Paths) => `${p.root}/stage`;
export const containersDirectory = (p: Paths) => `${p.root}/containers`;
export const containerDirectory = (p: Paths, id: string) => `${p.root}/containers/${id}`;
/** Of one run: see tokenOf. */
export const nextRecordFile = (p: Paths, id: string, run: string) => `${containerDirectory(p, id)}/start.${run}`;
export const volumesDirectory = (p: Paths) => `${p.root}/volumes`;
export const networksDirectory = (p: Paths) => `${p.root}/networks`;
export const networkDirectory = (p: Paths, name: string) => `${p.root}/networks/${name}`;
/** Addresses that containers have on a network, one link each. */
export const leasesDirectory = (p: Paths, network: string) => `${p.state}/networks/${network}/leases`;
/** Of a run: addresses on networks that it was connected to while it ran. */
export const connectionsIn = (run: string) => `${run}/connected`;
/** What a reboot ends of networks: a directory for each. */
export const networksState = (p: Paths) => `${p.state}/networks`;
export const resolverDirectory = (p: Paths) => `${p.state}/networks/.resolver`;
export const namesDirectory = (p: Paths) => `${p.root}/names`;
export const nameFile = (p: Paths, name: string) => `${p.root}/names/${name}`;
export const hostImagesDirectory = (p: Paths) => `${p.root}/images/host`;
