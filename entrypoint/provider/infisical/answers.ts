/** What Infisical answers: its JSON and its error codes go no further in than this file. */
import * as z from "zod/mini";
import { type Rest, SallyportError } from "../../errors.ts";
import type { HttpResponse } from "../../http.ts";
import type { RefProblem } from "../secret-provider.ts";

export interface Folder {
  readonly secrets: ReadonlyMap<string, FolderSecret>;
  /** Names that several imports bring in. */
  readonly collisions: readonly string[];
  readonly ms: number;
}

interface FolderSecret {
  readonly value: string;
  readonly version: string;
  /** The identity may know that it exists, but not its value. */
  readonly hidden: boolean;
}

export const loginAnswer = z.object({ accessToken: z.string().check(z.minLength(1)) });
const secret = z.object({
  secretKey: z.string(),
  secretValue: z.optional(z.string()),
  version: z.number(),
  type: z.optional(z.string()),
  secretValueHidden: z.optional(z.boolean()),
});
export const listAnswer = z.object({
  secrets: z.array(secret),
  imports: z.optional(z.array(z.object({ secrets: z.array(secret) }))),
});
export const getAnswer = z.object({ secret });
const errorAnswer = z.object({ error: z.optional(z.string()), message: z.optional(z.unknown()) });

type RawSecret = z.infer<typeof secret>;

/** A folder's own secrets win over its imports; of the imports the last one wins, as in Infisical's own CLI. */
export function collect({
  secrets,
  imports = [],
}: z.infer<typeof listAnswer>): Pick<Folder, "secrets" | "collisions"> {
  const found = new Map<string, FolderSecret>();
  const collisions = new Set<string>();
  for (const { secrets: imported } of imports) {
    for (const secret of imported) {
      if (found.has(secret.secretKey)) collisions.add(secret.secretKey);
      found.set(secret.secretKey, toSecret(secret));
    }
  }
  for (const secret of secrets) {
    if (secret.type === "personal") continue;
    collisions.delete(secret.secretKey);
    found.set(secret.secretKey, toSecret(secret));
  }
  return { secrets: found, collisions: [...collisions] };
}

export function toSecret({ secretValue = "", version, secretValueHidden = false }: RawSecret): FolderSecret {
  return { value: secretValue, version: String(version), hidden: secretValueHidden };
}

/** The third refusal, each within 30 s of the last, locks an identity for five minutes. https://infisical.com/docs/documentation/platform/identities/universal-auth */
const LOCKED: Rest = { leastMs: 300_000, mostMs: 600_000, apartMs: 31_000 };
/** What has been wrong twice is seldom right a moment later, and each try may be the one that locks the identity for all who use it. */
const REFUSED: Rest = { ...LOCKED, mostAgainMs: 1_800_000 };

export function loginFault(response: HttpResponse, title: string): SallyportError {
  const { status } = response;
  if (status >= 300 && status < 400) {
    return new SallyportError(
      "MANAGER_ANSWER_INVALID",
      `${title} answers the login with a redirect (HTTP ${status})`,
      {
        hint: "Put the address that it redirects to into INFISICAL_URL; often that is https instead of http.",
      },
    );
  }
  // It answers 404 to a client ID that it does not know, too.
  if (isUnknownRoute(response)) {
    return new SallyportError("MANAGER_ANSWER_INVALID", `${title} has no universal auth login (HTTP 404)`, {
      hint: "Check INFISICAL_URL: is that really an Infisical instance?",
    });
  }
  if (!isInfisicals(response)) {
    const what = `${title} answers the login with something else than Infisical does (HTTP ${status})`;
    return new SallyportError("MANAGER_ANSWER_INVALID", what, {
      hint: "Check INFISICAL_URL, and what stands in front of it: a proxy, a firewall, a page to log in.",
    });
  }
  if (isLocked(response)) {
    return new SallyportError(
      "IDENTITY_REFUSED",
      `${title} has locked the identity for now (HTTP ${status})`,
      {
        hint: "Somebody has tried a wrong client secret several times. Find out who, or clear the lockout in Infisical.",
        rest: LOCKED,
      },
    );
  }
  return new SallyportError(
    "IDENTITY_REFUSED",
    `${title} refused the login (HTTP ${status} ${errorWord(response)})`.replace(/ \)$/, ")"),
    {
      hint: "Check INFISICAL_CLIENT_ID and INFISICAL_CLIENT_SECRET, their expiry and trusted IPs; three refusals lock the identity for minutes.",
      rest: REFUSED,
    },
  );
}

export function readFault(response: HttpResponse, path: string, title: string): RefProblem | undefined {
  const { status } = response;
  if (status === 200) return undefined;
  const word = errorWord(response);
  if (status === 401 || word === "TokenError") {
    throw new SallyportError(
      "IDENTITY_REFUSED",
      `${title} does not accept the token it has just given (HTTP ${status} ${word})`,
      {
        hint: "Check the identity's access token limits: its TTL, uses and trusted IPs.",
      },
    );
  }
  if (status === 403)
    return { kind: "denied", message: `the identity may not read secrets in folder ${path}` };
  throw new SallyportError(
    "MANAGER_ANSWER_INVALID",
    `${title} refused to list folder ${path} (HTTP ${status} ${word})`,
    {
      hint: "Check INFISICAL_PROJECT_ID and the environment's slug in the config.",
    },
  );
}

export function isExpired(response: HttpResponse): boolean {
  return response.status === 403 && errorWord(response) === "TokenError";
}

/** Both a missing folder and a route that this version doesn't have are 404. */
export function isUnknownRoute({ status, body }: HttpResponse): boolean {
  const { message } = (status === 404 && parseLoosely(body)) || {};
  return typeof message === "string" && message.startsWith("Route ");
}

/** Its refusals say in JSON what they are; a proxy's do not. */
function isInfisicals({ body }: HttpResponse): boolean {
  const { error, message } = parseLoosely(body) ?? {};
  return Boolean(error || message);
}

/** Its code is that of any refusal. */
function isLocked({ status, body }: HttpResponse): boolean {
  const { message } = (status === 401 && parseLoosely(body)) || {};
  return typeof message === "string" && message.includes("temporarily locked");
}

/** The `error` field is Infisical's code (`PermissionDenied`, `TokenError`); its `message` may quote what was sent. */
function errorWord({ body }: HttpResponse): string {
  const { error = "" } = parseLoosely(body) ?? {};
  return /^\w{1,40}$/.test(error) ? error : "";
}

function parseLoosely(body: string): z.infer<typeof errorAnswer> | undefined {
  try {
    return errorAnswer.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
}

export function parseAnswer<T>(schema: z.ZodMiniType<T>, { body }: HttpResponse, title: string): T {
  try {
    return schema.parse(JSON.parse(body));
  } catch {
    // No cause: the parser's message quotes the body.
    throw new SallyportError(
      "MANAGER_ANSWER_INVALID",
      `${title} answered 200 with something other than its API promises`,
      {
        hint: "Check INFISICAL_URL: does a proxy or a login page stand in between?",
      },
    );
  }
}
