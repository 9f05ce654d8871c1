/** Whom to believe on a TLS connection: the host's authorities, and those that docker's users put beside (certs.d/HOST). */
import { readdirSync, readFileSync } from "node:fs";
import { rootCertificates } from "node:tls";
import { invalid } from "../../errors.ts";

export interface Trust {
  readonly ca?: readonly string[];
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized?: boolean;
}

/** Where distributions keep them, as Go's crypto/x509 looks (root_linux.go). */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/**
 * @param host as users write it: also the name of its directory
 * @param directories see RegistriesConfiguration.certificates
 * @param verify false: any certificate will do
 */
export function trustFor(host: string, directories: readonly string[], verify: boolean): Trust {
  const ca: string[] = [];
  let pair: { cert: string; key: string } | undefined;
  // A redirect may lead to a host that is called "..".
  const safe = /^[^./][^/]*$/.test(host) ? directories : [];
  for (const directory of safe.map((d) => `${d}/${host}`))
    for (const name of filesOf(directory)) {
      const file = `${directory}/${name}`;
      if (name.endsWith(".crt")) ca.push(certificate(file));
      if (name.endsWith(".cert") && !pair)
        pair = { cert: certificate(file), key: read(file.replace(/cert$/, "key"), `goes with ${name}`) };
    }
  return {
    ...authorities(ca),
    ...pair,
    ...(!verify && { rejectUnauthorized: false }),
  };
}

function authorities(own: readonly string[]): { ca?: string[] } {
  for (const file of [process.env.SSL_CERT_FILE, ...BUNDLES])
    if (file)
      try {
        return { ca: [readFileSync(file, "utf8"), ...own] };
      } catch {
        // The next one.
      }
  return own.length > 0 ? { ca: [...rootCertificates, ...own] } : {};
}

function certificate(file: string): string {
  const text = read(file, "is a certificate");
  if (!text.includes("-----BEGIN ")) throw invalid(`${file}: is no certificate in PEM form`);
  return text;
}

function read(file: string, why: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw invalid(`${file}: ${why}, but cannot be read: ${(error as Error).message}`);
  }
}

function filesOf(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}
