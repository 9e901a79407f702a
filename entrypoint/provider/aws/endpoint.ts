/** `AWS_ENDPOINT_URL*`, read from the given environment instead of the process's. */

type Env = Readonly<Record<string, string | undefined>>;

/** @param service as the variable spells it: `SECRETS_MANAGER`, `STS` */
export function endpointFor(service: string, env: Env): { endpoint?: string } {
  if (env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS === "true") return {};
  const endpoint = env[`AWS_ENDPOINT_URL_${service}`] ?? env.AWS_ENDPOINT_URL;
  return endpoint ? { endpoint } : {};
}
