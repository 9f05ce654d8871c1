/** Lists of a registry: tags, repositories, what refers to a manifest. They come in pages, and end. */
import { VitrineError } from "../../errors.ts";
import { parseManifest } from "../../spec/checkmanifest.ts";
import { parseForeignJson } from "../../spec/depth.ts";
import type { Digest } from "../../spec/digest.ts";
import { type Descriptor, LARGEST_MANIFEST } from "../../spec/image.ts";
import { Fields, word } from "../../spec/json.ts";
import { OCI_INDEX } from "../../spec/mediatypes.ts";
import type { RegistryReference } from "../registryname.ts";
import { AnswerError, answerError } from "./answers.ts";
import type { Scope } from "./authorization.ts";
import type { Answer } from "./http.ts";
import { fetchManifest } from "./manifests.ts";
import { patiently } from "./patience.ts";
import type { Session } from "./session.ts";

interface How {
  readonly signal?: AbortSignal | undefined;
}

const PAGE = 1000;
const MOST_PAGES = 1000;

export async function listTags(session: Session, { name, repository }: RegistryReference, how: How): Promise<string[]> {
  const pages = pagesOf(session, `/v2/${repository}/tags/list?n=${PAGE}`, `${name}: tags`, how, [
    `repository:${repository}:pull`,
  ]);
  const tags: string[] = [];
  for await (const { value, what } of pages) tags.push(...new Fields(value, `${what}: $`).list("tags", word));
  return tags;
}

/** All repositories that may be seen; many registries offer no such list. @throws AnswerError with their status then */
export async function* listRepositories(session: Session, how: How): AsyncGenerator<string> {
  const what = `${session.host}: catalog`;
  for await (const { value } of pagesOf(session, `/v2/_catalog?n=${PAGE}`, what, how, ["registry:catalog:*"]))
    yield* new Fields(value, `${what}: $`).list("repositories", word);
}

export async function listReferrers(
  session: Session,
  reference: RegistryReference,
  digest: Digest,
  artifactType: string | undefined,
  how: How,
): Promise<readonly Descriptor[]> {
  const { name, repository } = reference;
  const query = artifactType === undefined ? "" : `?${new URLSearchParams({ artifactType })}`;
  const what = `${name}: referrers of ${digest}`;
  const found: Descriptor[] = [];
  try {
    for await (const { bytes } of pagesOf(session, `/v2/${repository}/referrers/${digest}${query}`, what, how, [
      `repository:${repository}:pull`,
    ]))
      found.push(...descriptorsIn(bytes, what));
  } catch (error) {
    if (!(error instanceof AnswerError) || error.status !== 404) throw error;
    found.push(...(await underTag(session, reference, digest, how)));
  }
  // A registry may leave the filter to us (distribution-spec, "Listing Referrers").
  return artifactType === undefined ? found : found.filter((entry) => entry.artifactType === artifactType);
}

/** Registries that do not know referrers have them as an index under a tag that is made of the digest. */
async function underTag(
  session: Session,
  reference: RegistryReference,
  digest: Digest,
  how: How,
): Promise<readonly Descriptor[]> {
  try {
    const { document } = await fetchManifest(session, reference, digest.replace(":", "-"), how);
    return document.kind === "index" ? document.index.manifests : [];
  } catch (error) {
    if (error instanceof AnswerError && error.status === 404) return [];
    throw error;
  }
}

function descriptorsIn(bytes: Uint8Array, what: string): readonly Descriptor[] {
  const document = parseManifest(bytes, what, OCI_INDEX);
  return document.kind === "index" ? document.index.manifests : [];
}

async function* pagesOf(session: Session, first: string, what: string, { signal }: How, scopes: readonly Scope[]) {
  let at: string | URL | undefined = first;
  for (let n = 0; at !== undefined; n++) {
    if (n >= MOST_PAGES) throw new VitrineError("INVALID", `${what}: has more than ${MOST_PAGES} pages`);
    const here: string | URL = at;
    const page = await patiently(session.attempts(signal), async () => {
      const answer = await session.ask({ method: "GET", at: here, scopes, signal });
      if (answer.status !== 200) throw await answerError(answer, what);
      return { bytes: await answer.body.whole(LARGEST_MANIFEST, what), next: nextPage(answer) };
    });
    yield { bytes: page.bytes, value: parseForeignJson(page.bytes, what, LARGEST_MANIFEST), what };
    at = page.next;
  }
}

/** Link: </v2/…>; rel="next". Another host's pages are no part of this list. */
function nextPage(answer: Answer): URL | undefined {
  const [, target = ""] = /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(answer.header("link")) ?? [];
  if (target === "" || !URL.canParse(target, answer.url.href)) return undefined;
  const url = new URL(target, answer.url.href);
  return url.origin === answer.url.origin ? url : undefined;
}
