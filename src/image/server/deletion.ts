/** Answers to DELETE. Content goes when it is collected. */
import { unlinkBlob } from "./blobs.ts";
import type { Exchange } from "./exchange.ts";
import { deleteManifest, deleteTag } from "./manifests.ts";
import { checkDigest, checkReference } from "./names.ts";
import { refuse } from "./refusal.ts";

export async function removeBlob(x: Exchange, data: string, repository: string, text: string): Promise<void> {
  const digest = checkDigest(text);
  if (!(await unlinkBlob(data, repository, digest)))
    throw refuse(404, "BLOB_UNKNOWN", `${repository} has no blob ${digest.text}`, { digest: digest.text });
  x.answer(202, { "docker-content-digest": digest.text });
}

/** By tag: the tag alone. By digest: the manifest with all its tags. */
export async function removeManifest(x: Exchange, data: string, repository: string, text: string): Promise<void> {
  const reference = checkReference(text);
  const done =
    "tag" in reference
      ? await deleteTag(data, repository, reference.tag)
      : await deleteManifest(data, repository, reference.digest);
  if (!done) throw refuse(404, "MANIFEST_UNKNOWN", `${repository} has no manifest ${text}`, { reference: text });
  x.answer(202, {});
}
