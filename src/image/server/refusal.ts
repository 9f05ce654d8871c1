/** A request that is not granted: the error codes of the OCI distribution spec 1.1 ("Error Codes"), as JSON. */
export type RefusalCode =
  | "BLOB_UNKNOWN"
  | "BLOB_UPLOAD_INVALID"
  | "BLOB_UPLOAD_UNKNOWN"
  | "DIGEST_INVALID"
  | "MANIFEST_BLOB_UNKNOWN"
  | "MANIFEST_INVALID"
  | "MANIFEST_UNKNOWN"
  | "NAME_INVALID"
  | "NAME_UNKNOWN"
  | "SIZE_INVALID"
  | "UNAUTHORIZED"
  | "DENIED"
  | "UNSUPPORTED"
  | "TOOMANYREQUESTS"
  /** Docker's code for a server that fails (5xx), and for a page number that is none. */
  | "UNKNOWN"
  | "PAGINATION_NUMBER_INVALID"
  | "TAG_INVALID";

export interface Fault {
  readonly code: RefusalCode;
  readonly message: string;
  readonly detail?: unknown;
}

export class Refusal extends Error {
  /** HTTP status. */
  readonly status: number;
  readonly faults: readonly Fault[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, faults: readonly Fault[], headers: Readonly<Record<string, string>> = {}) {
    super(faults.map((fault) => fault.message).join("; "));
    this.name = "Refusal";
    this.status = status;
    this.faults = faults;
    this.headers = headers;
  }

  get body(): string {
    return `${JSON.stringify({ errors: this.faults })}\n`;
  }
}

export function refuse(
  status: number,
  code: RefusalCode,
  message: string,
  detail?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Refusal {
  return new Refusal(status, [detail === undefined ? { code, message } : { code, message, detail }], headers);
}
