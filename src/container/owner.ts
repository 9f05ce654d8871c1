/**
 * A process that a command belongs to, as the library starts them: the command, and the container it runs, end with it. What the
 * command has to say goes to that process as JSON among its standard error. See docs/decisions/0027-the-library.md.
 */

/** PID.TOKEN, of fixed width: ten digits, sixteen hexadecimal ones. */
const OWNER = /^(\d{10})\.[0-9a-f]{16}$/;
const VARIABLE = "VITRINE_OWNER";

export const STAND_IN_OWNER = "9517034683.f5d0c27e9a6b4183";
/** Undefined: it is on its own. */
export function owner(): string | undefined {
  const value = process.env[VARIABLE];
  return value !== undefined && OWNER.test(value) ? value : undefined;
}

export const ownersPid = (owner: string): number => Number.parseInt(owner, 10);

export const ownersEnvironment = (owner: string): string => `${VARIABLE}=${owner}`;

/** A message among standard error: a record separator (RFC 7464), who it is for, JSON, the end of the line. */
export const messageTo = (owner: string, message: object): string => `\x1e${owner}${JSON.stringify(message)}\n`;
