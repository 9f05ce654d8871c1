/**
 * A pull as a plan: what is fetched is the engine's own work (HTTP, and files below ROOT that only it reads); layers are
 * unpacked by the stage.
 */
import type { Arch } from "../linux/arch.ts";
import type { Digest } from "../spec/digest.ts";
import type { Descriptor } from "../spec/image.ts";
import { planUnpack } from "./layer.ts";
import { onHost, quote } from "./op.ts";
import type { Op, Plan } from "./plan.ts";

export interface PullInput {
  /** http://127.0.0.1:5000/v2/library/debian */
  readonly address: string;
  readonly root: string;
  readonly id: string;
  /** Whole names that it gets. */
  readonly names: readonly string[];
  readonly manifest: Descriptor;
  /** A tag, or the digest: by what it was asked for. */
  readonly asked: string;
  /** Indexes on the way to it, by digest. */
  readonly indexes: readonly Digest[];
  readonly config: Descriptor;
  /** Lowest first. */
  readonly layers: readonly PullLayer[];
  readonly arch: Arch;
}

export interface PullLayer {
  readonly blob: Descriptor;
  readonly diffId: Digest;
  readonly chainId: Digest;
  /** Bytes of the blob that are in the store. */
  readonly there: number;
  readonly unpacked: boolean;
}

export function planPull(input: PullInput): Plan {
  const { address, root, manifest, config, layers, indexes } = input;
  const store = (digest: Digest) => `${root}/blobs/${digest.replace(":", "/")}`;
  const fetched = layers.filter(({ blob, there }, i) => there < blob.size && indexOf(layers, blob) === i);
  const fetch = [
    get(address, `manifests/${input.asked}`, manifest.digest, store(manifest.digest), {
      what: indexes.length > 0 ? `by way of ${indexes.join(", ")}` : manifest.mediaType,
      why: "The manifest lists config and layers by digest: who has its digest has them all.",
      manifest: true,
    }),
    get(address, `blobs/${config.digest}`, config.digest, store(config.digest), {
      what: `config, ${config.size} bytes`,
      why: "The config says how containers are run, and what the layers are when they are unpacked.",
    }),
    ...fetched.map(({ blob, there }) =>
      get(address, `blobs/${blob.digest}`, blob.digest, store(blob.digest), {
        what: there > 0 ? `layer, from byte ${there} of ${blob.size} on` : `layer, ${blob.size} bytes`,
        why: "Layers come beside each other, into a file that no image names; each is verified when it is whole.",
      }),
    ),
  ];
  const unpack = layers.flatMap((layer, i) => (layer.unpacked ? [] : unpackOps(input, layer, i)));
  return {
    run: [
      { phase: "Fetch", ops: fetch },
      { phase: "Image", ops: [...unpack, ...commit(input)] },
    ],
    failed: [],
    recover: [],
  };
}

function indexOf(layers: readonly PullLayer[], { digest }: Descriptor): number {
  return layers.findIndex(({ blob }) => blob.digest === digest);
}

function get(
  address: string,
  path: string,
  digest: Digest,
  file: string,
  { what, why, manifest }: { what: string; why: string; manifest?: boolean },
): Op {
  const [algorithm = "", hex = ""] = digest.split(":");
  // By digest: what is checked below is then what was meant.
  const url = `${address}/${manifest ? `manifests/${digest}` : path}`;
  const accept = manifest ? ' -H "Accept: $MANIFEST_TYPES"' : "";
  const half = `${file}.half`;
  const sh = [
    `mkdir -p ${quote(file.slice(0, file.lastIndexOf("/")))}`,
    `curl -fsSL --retry 4 -C - "\${AUTH[@]}"${accept} -o ${quote(half)} ${quote(url)}`,
    `echo ${quote(`${hex}  ${half}`)} | ${algorithm}sum --check --quiet && mv ${quote(half)} ${quote(file)}`,
  ];
  return onHost({ call: "GET", object: `${address}/${path} (${what})`, why, sh: sh.join("\n") }, []);
}

function unpackOps({ root, arch }: PullInput, { blob, diffId, chainId }: PullLayer, i: number): Op[] {
  const source = `${root}/blobs/${blob.digest.replace(":", "/")}`;
  const { ops } = planUnpack({ layers: `${root}/layers`, half: `${chainId.slice(7, 23)}.half`, source, arch });
  return ops.map((op) => ({
    ...op,
    object: op.object
      .replace("<chain id>", chainId.slice(7))
      .replace("the layer's files", `the files of layer ${i + 1}, ${diffId}`),
    ...(op.sh === undefined ? {} : { sh: op.sh.replace("$CHAIN_ID", chainId.slice(7)) }),
  }));
}

function commit({ root, id, names }: PullInput): Op[] {
  const file = `${root}/images/sha256/${id}/image.json`;
  return [
    onHost(
      {
        call: "rename",
        object: file,
        why: "Now there is an image: all that it names is on disk. Before, nobody could see any of it.",
      },
      [],
    ),
    ...names.map((name) => {
      const link = `${root}/images/names/${name.replaceAll("/", "%")}`;
      return onHost(
        {
          call: "rename",
          object: link,
          why: "The name leads to the image's id; another image that had it loses it.",
          sh: `mkdir -p ${quote(`${root}/images/names`)} && ln -sfn ${id} ${quote(link)}`,
        },
        [],
      );
    }),
  ];
}
