/** Manifests and indexes at a registry: small JSON documents, each verified by its digest. */
import { VitrineError } from "../../errors.ts";
import { parseManifest } from "../../spec/checkmanifest.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { type Descriptor, LARGEST_MANIFEST, type ManifestOrIndex } from "../../spec/image.ts";
import { INDEX_TYPES, MANIFEST_TYPES, SCHEMA_1_TYPES } from "../../spec/mediatypes.ts";
import { algorithmOf, digestOf } from "../hash.ts";
import type { RegistryReference } from "../registryname.ts";
import { answerError, oneLine } from "./answers.ts";
import { patiently } from "./patience.ts";
import type { Session } from "./session.ts";

export interface Fetched {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly document: ManifestOrIndex;
}

interface How {
  readonly signal?: AbortSignal | undefined;
}

/** Schema 1 too: so that it can be told apart from what is not there. */
const ACCEPT = [...MANIFEST_TYPES, ...INDEX_TYPES, ...SCHEMA_1_TYPES].join(", ");

export async function fetchManifest(
  session: Session,
  { name, repository }: RegistryReference,
  which: string | Descriptor,
  { signal }: How,
): Promise<Fetched> {
  const wanted = typeof which === "string" ? which : which.digest;
  const what = `${name}: manifest ${wanted}`;
  const answer = await patiently(session.attempts(signal), async () => {
    const got = await get(session, "GET", repository, wanted, what, signal);
    const bytes = await got.body.whole(LARGEST_MANIFEST, what);
    return { bytes, mediaType: got.header("content-type"), announced: got.header("docker-content-digest") };
  });
  const { bytes, mediaType, announced } = answer;
  // Of schema 1, the digest leaves the signatures out: what is wrong with it has to be told first.
  if (SCHEMA_1_TYPES.includes(mediaType.split(";")[0] ?? "")) parseManifest(bytes, what, mediaType);
  const given = isDigest(wanted) ? wanted : isDigest(announced) ? announced : undefined;
  const digest = digestOf(bytes, given ? algorithmOf(given) : "sha256");
  if (given !== undefined && digest !== given)
    throw new VitrineError("INVALID", `${what}: what came has the digest ${digest}, not ${given}`, {
      hint: "what was sent is damaged or forged; nothing of it was kept",
    });
  if (typeof which !== "string" && bytes.length !== which.size)
    throw new VitrineError("INVALID", `${what}: has ${bytes.length} bytes; its index says ${which.size}`);
  const document = parseManifest(bytes, what, mediaType === "" ? undefined : mediaType);
  const type = document.kind === "index" ? document.index.mediaType : document.manifest.mediaType;
  return { descriptor: { mediaType: type, digest, size: bytes.length }, bytes, document };
}

export async function currentDigest(
  session: Session,
  reference: RegistryReference,
  tag: string,
  how: How,
): Promise<Digest> {
  const what = `${reference.name}: manifest ${tag}`;
  const announced = await patiently(session.attempts(how.signal), async () => {
    const answer = await get(session, "HEAD", reference.repository, tag, what, how.signal);
    await answer.body.drop();
    return answer.header("docker-content-digest");
  });
  if (isDigest(announced)) return announced;
  return (await fetchManifest(session, reference, tag, how)).descriptor.digest; // the header is optional
}

export async function putManifest(
  session: Session,
  { name, repository }: RegistryReference,
  where: string,
  bytes: Uint8Array,
  mediaType: string,
  { signal }: How,
): Promise<Digest> {
  const what = `${name}: manifest ${where}`;
  const announced = await patiently(session.attempts(signal), async () => {
    const answer = await session.ask({
      method: "PUT",
      at: `/v2/${repository}/manifests/${where}`,
      headers: { "content-type": mediaType },
      body: bytes,
      scopes: [`repository:${repository}:pull,push`],
      signal,
    });
    if (answer.status !== 201 && answer.status !== 200) throw await answerError(answer, what);
    await answer.body.drop();
    return answer.header("docker-content-digest");
  });
  const digest = digestOf(bytes);
  if (announced !== "" && announced !== digest)
    throw new VitrineError(
      "INVALID",
      `${what}: ${session.host} has stored it as ${oneLine(announced)}, not as ${digest}`,
    );
  return digest;
}

async function get(
  session: Session,
  method: "GET" | "HEAD",
  repository: string,
  wanted: string,
  what: string,
  signal: AbortSignal | undefined,
) {
  const answer = await session.ask({
    method,
    at: `/v2/${repository}/manifests/${wanted}`,
    headers: { accept: ACCEPT },
    scopes: [`repository:${repository}:pull`],
    signal,
  });
  if (answer.status === 200) return answer;
  throw await answerError(answer, what);
}
