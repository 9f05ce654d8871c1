/** The endpoints of the OCI distribution spec 1.1, and docker's catalog. */
import { removeBlob, removeManifest } from "./deletion.ts";
import { getCatalog, getReferrers, getTags } from "./discovery.ts";
import type { Exchange } from "./exchange.ts";
import { checkRepository } from "./names.ts";
import type { Place } from "./place.ts";
import { getBlob, getManifest } from "./pull.ts";
import { beginUpload, cancelUpload, endUpload, takeChunk, takeManifest, uploadStatus } from "./push.ts";
import { refuse } from "./refusal.ts";

/** @param name of the repository, checked @param last component of the path */
type Handler = (x: Exchange, place: Place, name: string, last: string) => Promise<void>;

interface Route {
  readonly path: RegExp;
  readonly methods: Readonly<Record<string, Handler>>;
}

const version: Handler = async (x) => x.json(200, {});
const catalog: Handler = async (x, p) => await getCatalog(x, p.data);
const tags: Handler = async (x, p, name) => await getTags(x, p.data, name);
const referrers: Handler = async (x, p, name, digest) => await getReferrers(x, p.data, name, digest);
const manifest: Handler = async (x, p, name, ref) => await getManifest(x, p.data, name, ref);
const blob: Handler = async (x, p, name, digest) => await getBlob(x, p.data, name, digest);
const status: Handler = async (x, p, name, id) => await uploadStatus(x, p.uploads, name, id);

/** The first that fits counts: a repository may be called a/blobs/uploads. */
const ROUTES: readonly Route[] = [
  { path: /^\/v2\/?$/, methods: { GET: version, HEAD: version } },
  { path: /^\/v2\/_catalog$/, methods: { GET: catalog, HEAD: catalog } },
  {
    path: /^\/v2\/(?<name>.+)\/blobs\/uploads\/?$/,
    methods: { POST: async (x, p, name) => await beginUpload(x, p.data, p.uploads, name) },
  },
  {
    path: /^\/v2\/(?<name>.+)\/blobs\/uploads\/(?<last>[^/]+)$/,
    methods: {
      GET: status,
      HEAD: status,
      PATCH: async (x, p, name, id) => await takeChunk(x, p.uploads, name, id),
      PUT: async (x, p, name, id) => await endUpload(x, p.uploads, name, id),
      DELETE: async (x, p, name, id) => await cancelUpload(x, p.uploads, name, id),
    },
  },
  {
    path: /^\/v2\/(?<name>.+)\/blobs\/(?<last>[^/]+)$/,
    methods: {
      GET: blob,
      HEAD: blob,
      DELETE: async (x, p, name, digest) => await removeBlob(x, p.data, name, digest),
    },
  },
  {
    path: /^\/v2\/(?<name>.+)\/manifests\/(?<last>[^/]+)$/,
    methods: {
      GET: manifest,
      HEAD: manifest,
      PUT: async (x, p, name, ref) => await takeManifest(x, p, name, ref),
      DELETE: async (x, p, name, ref) => await p.inTurn(name, () => removeManifest(x, p.data, name, ref)),
    },
  },
  { path: /^\/v2\/(?<name>.+)\/tags\/list$/, methods: { GET: tags, HEAD: tags } },
  { path: /^\/v2\/(?<name>.+)\/referrers\/(?<last>[^/]+)$/, methods: { GET: referrers, HEAD: referrers } },
];

const READING = ["GET", "HEAD"];

/** @throws Refusal */
export async function route(x: Exchange, place: Place): Promise<void> {
  for (const { path, methods } of ROUTES) {
    const match = path.exec(x.path);
    if (!match) continue;
    const handler = Object.hasOwn(methods, x.method) ? methods[x.method] : undefined;
    const name = match.groups?.name;
    if (name !== undefined) checkRepository(name);
    const allowed = Object.keys(methods).filter((m) => !place.readOnly || READING.includes(m));
    if (!handler || !allowed.includes(x.method))
      throw refuse(
        405,
        "UNSUPPORTED",
        handler ? "this registry is read-only" : `${x.method} is not known here`,
        undefined,
        {
          allow: allowed.join(", "),
        },
      );
    // No registry client is a web page: a page that reaches a registry on its visitor's machine gets to change nothing.
    if (!READING.includes(x.method) && x.header("origin") !== undefined)
      throw refuse(403, "DENIED", "web pages may not change this registry");
    return await handler(x, place, name ?? "", match.groups?.last ?? "");
  }
  throw refuse(404, "UNSUPPORTED", "there is nothing here: the API is below /v2/");
}
