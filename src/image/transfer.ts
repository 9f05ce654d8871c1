/** What a transfer tells while it goes on: shown by src/cli/progress.ts. */

/** In docker's words where it has one. */
export type TransferState =
  | "waiting"
  | "downloading"
  | "retrying"
  | "verifying"
  | "downloaded"
  | "extracting"
  | "pulled"
  | "exists"
  | "preparing"
  | "pushing"
  | "pushed"
  | "mounted";

export interface TransferEvent {
  /** Which line: a layer's short digest, or whatever is unique in this transfer. */
  readonly id: string;
  readonly state: TransferState;
  /** Bytes, of `total`, while it is downloading, extracting or pushing. */
  readonly done?: number;
  readonly total?: number;
  /** Why it is retried. */
  readonly reason?: string;
}

export type OnTransfer = (event: TransferEvent) => void;

/** How docker names a layer while it is transferred: 12 hex digits. */
export function shortDigest(digest: string): string {
  const at = digest.indexOf(":") + 1;
  return digest.slice(at, at + 12);
}
