/** Infisical's API, versions 4 and 3, as its server and its official client understand it. */
import { randomUUID } from "node:crypto";
import { type Fake, type Recorded, type Reply, startFake } from "./server.ts";

type FakeSecret = string | { readonly value: string; readonly version?: number; readonly hidden?: boolean };

export interface FakeInfisicalOptions {
  /** By folder (`/database`), then by name. */
  readonly folders?: Readonly<Record<string, Readonly<Record<string, FakeSecret>>>>;
  /** By folder: the folders that it imports, in order. */
  readonly imports?: Readonly<Record<string, readonly string[]>>;
  /** Folders that the identity may not read. */
  readonly denied?: readonly string[];
  /** An instance from before version 4. */
  readonly legacy?: boolean;
}

export interface FakeInfisical extends Fake {
  /** The four bootstrap values. */
  readonly bootstrap: Readonly<Record<string, string>>;
  /** Every token that was given out is expired from now on. */
  expireTokens(): void;
}

const PROJECT = "7f1c0b1e-0000-4000-8000-00000000aaaa";
const ENVIRONMENT = "prod";
/** https://infisical.com/docs/documentation/platform/identities/universal-auth: locked after three refusals. */
const LOCKOUT = 3;

export async function startFakeInfisical(options: FakeInfisicalOptions = {}): Promise<FakeInfisical> {
  const client = { clientId: randomUUID(), clientSecret: `cs-${randomUUID()}` };
  const tokens = new Map<string, "valid" | "expired">();
  let refusals = 0;

  const login = ({ body }: Recorded): Reply => {
    const given = JSON.parse(body) as typeof client;
    const invalid = failure(401, "UnauthorizedError", `Invalid credentials ${given.clientSecret}`);
    if (given.clientId !== client.clientId) return invalid;
    if (refusals >= LOCKOUT) {
      const message = "This identity auth method is temporarily locked, please try again later";
      return failure(401, "UnauthorizedError", message);
    }
    if (given.clientSecret !== client.clientSecret) {
      refusals++;
      return invalid;
    }
    refusals = 0;
    const accessToken = `token-${randomUUID()}`;
    tokens.set(accessToken, "valid");
    return {
      status: 200,
      body: { accessToken, expiresIn: 2_592_000, accessTokenMaxTTL: 2_592_000, tokenType: "Bearer" },
    };
  };

  const fake = await startFake({
    name: ({ url }) => (url.pathname.endsWith("/login") ? "login" : "secrets"),
    throttled: {
      ...failure(429, "RateLimitExceeded", "Please try again in 0 seconds"),
      headers: { "retry-after": "0" },
    },
    answer: (request) => {
      // An instance may live below a path of its host.
      const pathname = request.url.pathname.replace(/^\/below/, "");
      if (pathname === "/api/v1/auth/universal-auth/login") return login(request);
      const route = /^\/api\/(?:v4\/secrets|v3\/secrets\/raw)(?:\/(.+))?$/.exec(pathname);
      if (!route || (options.legacy && pathname.startsWith("/api/v4"))) {
        return failure(404, "Not Found", `Route GET:${pathname} not found`);
      }
      const state = tokens.get(String(request.headers.authorization).replace("Bearer ", ""));
      if (state === "expired")
        return failure(403, "TokenError", "Your token has expired. Please re-authenticate.");
      if (state === undefined) return failure(401, "UnauthorizedError", "Token missing");
      return secrets(request.url.searchParams, route[1], options);
    },
  });
  const bootstrap = {
    INFISICAL_URL: fake.url,
    INFISICAL_PROJECT_ID: PROJECT,
    INFISICAL_CLIENT_ID: client.clientId,
    INFISICAL_CLIENT_SECRET: client.clientSecret,
  };
  const expireTokens = () => {
    for (const token of tokens.keys()) tokens.set(token, "expired");
  };
  return { ...fake, bootstrap, expireTokens };
}

const BOOLEANS = [
  "viewSecretValue",
  "expandSecretReferences",
  "recursive",
  "include_imports",
  "includeImports",
];

function secrets(query: URLSearchParams, name: string | undefined, options: FakeInfisicalOptions): Reply {
  const path = query.get("secretPath") ?? "/";
  if (BOOLEANS.some((flag) => query.has(flag) && !["true", "false"].includes(query.get(flag) as string))) {
    return failure(422, "ValidationFailure", "booleans are true or false");
  }
  const project = query.get("projectId") ?? query.get("workspaceId");
  if (project !== PROJECT) return failure(403, "PermissionDenied", "You are not allowed to read on secrets");
  if (options.denied?.includes(path))
    return failure(403, "PermissionDenied", "You are not allowed to read on secrets");
  const folder = options.folders?.[path];
  if (!folder || query.get("environment") !== ENVIRONMENT) {
    return failure(
      404,
      "NotFound",
      `Folder with path '${path}' in environment with slug '${query.get("environment")}' not found`,
    );
  }
  const expand = query.get("expandSecretReferences") === "true";
  const list = (at: string) =>
    Object.entries(options.folders?.[at] ?? {}).map(([key, secret]) =>
      render(key, secret, at, expand, options),
    );
  if (name !== undefined) return one(decodeURIComponent(name), query, list(path));
  const withImports = query.get("include_imports") === "true" || query.get("includeImports") === "true";
  const imports = (options.imports?.[path] ?? []).map((secretPath) => ({
    secretPath,
    environment: ENVIRONMENT,
    folderId: randomUUID(),
    secrets: list(secretPath),
  }));
  return { status: 200, body: { secrets: list(path), imports: withImports ? imports : [] } };
}

function one(name: string, query: URLSearchParams, list: ReturnType<typeof render>[]): Reply {
  const secret = list.find(({ secretKey }) => secretKey === name);
  const version = query.get("version");
  if (!secret || (version && Number(version) !== secret.version))
    return failure(404, "NotFound", `Secret ${name} not found`);
  return { status: 200, body: { secret } };
}

function render(
  key: string,
  secret: FakeSecret,
  path: string,
  expand: boolean,
  options: FakeInfisicalOptions,
) {
  const { value, version = 1, hidden = false } = typeof secret === "string" ? { value: secret } : secret;
  const expanded = expand
    ? value.replace(/\$\{(\w+)\}/g, (_, other) => textOf(options.folders?.[path]?.[other]))
    : value;
  return {
    id: randomUUID(),
    _id: randomUUID(),
    workspace: PROJECT,
    environment: ENVIRONMENT,
    version,
    type: "shared",
    secretKey: key,
    secretValue: hidden ? "<hidden-by-infisical>" : expanded,
    secretValueHidden: hidden,
    secretComment: "",
    secretPath: path,
    secretMetadata: [],
    tags: [],
  };
}

function textOf(secret: FakeSecret | undefined): string {
  return typeof secret === "string" ? secret : (secret?.value ?? "");
}

function failure(statusCode: number, error: string, message: string): Reply {
  return { status: statusCode, body: { reqId: "req-1", statusCode, error, message } };
}
