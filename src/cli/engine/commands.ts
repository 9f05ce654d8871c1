/**
 * The commands of `vitrine`, each loaded when it is asked for. "internal" ones are for the stage. A name with a blank is
 * a command of a group: `vitrine image ls`.
 */
import type { Command } from "../command.ts";

export interface Entry {
  readonly internal?: boolean;
  load(): Promise<{ command: Command }>;
}

export const COMMANDS: Readonly<Record<string, Entry>> = {
  run: { load: () => import("./run.ts") },
  create: { load: () => import("./create.ts") },
  start: { load: () => import("./start.ts") },
  restart: { load: () => import("./restart.ts") },
  pause: { load: () => import("./pause.ts") },
  unpause: { load: () => import("./unpause.ts") },
  inspect: { load: () => import("./inspect.ts") },
  port: { load: () => import("./port.ts") },
  rename: { load: () => import("./rename.ts") },
  ps: { load: () => import("./ps.ts") },
  rm: { load: () => import("./rm.ts") },
  attach: { load: () => import("./attach.ts") },
  logs: { load: () => import("./logs.ts") },
  exec: { load: () => import("./exec.ts") },
  cp: { load: () => import("./cp.ts") },
  top: { load: () => import("./top.ts") },
  stats: { load: () => import("./stats.ts") },
  update: { load: () => import("./update.ts") },
  stop: { load: () => import("./stop.ts") },
  kill: { load: () => import("./kill.ts") },
  wait: { load: () => import("./wait.ts") },
  gc: { load: () => import("./gc.ts") },
  pull: { load: () => import("./pull.ts") },
  load: { load: () => import("./load.ts") },
  save: { load: () => import("./save.ts") },
  import: { load: () => import("./import.ts") },
  export: { load: () => import("./export.ts") },
  push: { load: () => import("./push.ts") },
  login: { load: () => import("./login.ts") },
  logout: { load: () => import("./logout.ts") },
  search: { load: () => import("./search.ts") },
  tag: { load: () => import("./tag.ts") },
  "image ls": { load: () => import("./images.ts") },
  "image rm": { load: () => import("./rmi.ts") },
  "image inspect": { load: () => import("./imageinspect.ts") },
  "image history": { load: () => import("./history.ts") },
  "image mount": { load: () => import("./imagemount.ts") },
  "image unmount": { load: () => import("./imageunmount.ts") },
  "image bootstrap": { load: () => import("./imagebootstrap.ts") },
  "image prune": { load: () => import("./imageprune.ts") },
  "container inspect": { load: () => import("./containerinspect.ts") },
  "container prune": { load: () => import("./containerprune.ts") },
  "system boot": { load: () => import("./systemboot.ts") },
  "system halt": { load: () => import("./systemhalt.ts") },
  "system boot-unit": { load: () => import("./systembootunit.ts") },
  "system df": { load: () => import("./systemdf.ts") },
  "system prune": { load: () => import("./systemprune.ts") },
  "registry serve": { load: () => import("./registryserve.ts") },
  "registry gc": { load: () => import("./registrygc.ts") },
  ended: { internal: true, load: () => import("./ended.ts") },
  failed: { internal: true, load: () => import("./failed.ts") },
};

/** What the groups are about. */
export const GROUPS: Readonly<Record<string, string>> = {
  container: "Containers: run, list, look at, end, remove",
  image: "Images: list, look at, remove",
  registry: "A registry of one's own",
  system: "What the store holds",
};

/** Other names of commands, as docker's users know them. */
export const ALIASES: Readonly<Record<string, string>> = {
  "container run": "run",
  "container create": "create",
  "container start": "start",
  "container stop": "stop",
  "container restart": "restart",
  "container kill": "kill",
  "container pause": "pause",
  "container unpause": "unpause",
  "container rename": "rename",
  "container attach": "attach",
  "container wait": "wait",
  "container port": "port",
  "container export": "export",
  "container ls": "ps",
  "container list": "ps",
  "container ps": "ps",
  "container rm": "rm",
  "container remove": "rm",
  images: "image ls",
  "image list": "image ls",
  rmi: "image rm",
  "image remove": "image rm",
  "image umount": "image unmount",
  history: "image history",
  "image pull": "pull",
  "image push": "push",
  "image tag": "tag",
  "image save": "save",
  "image load": "load",
  "image import": "import",
};
