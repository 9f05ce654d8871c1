/** Whether a registry knows somebody. */
import { VitrineError } from "../../errors.ts";
import type { Credential } from "../credentials/credential.ts";
import { AnswerError, answerError } from "./answers.ts";
import { type RegistriesConfiguration, readRegistriesConfiguration } from "./configuration.ts";
import { patiently } from "./patience.ts";
import { Session } from "./session.ts";

/** @throws UNAUTHORIZED if it does not; UNAVAILABLE if it cannot be asked */
export async function checkCredential(
  host: string,
  credential: Credential,
  configuration: RegistriesConfiguration = readRegistriesConfiguration(),
): Promise<void> {
  const session = new Session({ host, configuration, insist: true, credential: async () => credential });
  try {
    await patiently(session.attempts(), async () => {
      const answer = await session.ask({ method: "GET", at: "/v2/", scopes: [] });
      if (answer.status !== 200) throw await answerError(answer, host);
      await answer.body.drop();
    });
  } catch (error) {
    if (!(error instanceof AnswerError)) throw error;
    if (error.status === 404)
      throw new VitrineError("UNAVAILABLE", `${host}: is no registry (no /v2/ there)`, { hint: "is the name right?" });
    if (error.status !== 401 && error.status !== 403) throw error;
    throw new VitrineError("UNAUTHORIZED", `${host}: unauthorized: incorrect username or password`, {
      hint: "some registries want an access token in place of the password",
      cause: error,
    });
  }
}
