/** The three calls of Infisical's API that we make. */
import { type HttpResponse, request } from "../../http.ts";
import type { Log } from "../../log.ts";
import type { ProviderContext, RefProblem } from "../secret-provider.ts";
import {
  collect,
  type Folder,
  getAnswer,
  isExpired,
  isUnknownRoute,
  listAnswer,
  loginAnswer,
  loginFault,
  parseAnswer,
  readFault,
  toSecret,
} from "./answers.ts";

export interface Project {
  readonly id: string;
  /** The environment's slug. */
  readonly environment: string;
}

export interface ApiOptions {
  readonly base: URL;
  readonly project: Project;
  readonly login: { readonly clientId: string; readonly clientSecret: string };
  readonly title: string;
  readonly log: Log;
  readonly hide?: ProviderContext["hide"];
  readonly attemptTimeoutMs?: number;
}

export interface InfisicalApi {
  /** @throws {SallyportError} IDENTITY_REFUSED; it is not tried again, because three refusals lock the identity */
  login(signal: AbortSignal): Promise<void>;
  /** How many there have been. */
  requests(): number;
  listFolder(path: string, signal: AbortSignal): Promise<Folder | RefProblem>;
  getVersion(path: string, name: string, version: string, signal: AbortSignal): Promise<Folder | RefProblem>;
}

export function openApi(options: ApiOptions): InfisicalApi {
  const { base, project, title, log } = options;
  let token: string | undefined;
  let relogin: Promise<void> | undefined;
  let isLegacy = false;
  let requests = 0;

  const send = (
    method: "GET" | "POST",
    path: string,
    signal: AbortSignal,
    query?: Record<string, string>,
    body?: object,
  ) => {
    requests++;
    const url = new URL(path.replace(/^\//, ""), base);
    url.search = new URLSearchParams(query).toString();
    const headers = {
      accept: "application/json",
      ...(body && { "content-type": "application/json" }),
      ...(!body && token && { authorization: `Bearer ${token}` }),
    };
    const message = { method, url, headers, ...(body && { body: JSON.stringify(body) }) };
    return request(message, {
      target: title,
      signal,
      log,
      ...(options.attemptTimeoutMs && { attemptTimeoutMs: options.attemptTimeoutMs }),
    });
  };

  const login = async (signal: AbortSignal) => {
    const response = await send(
      "POST",
      "/api/v1/auth/universal-auth/login",
      signal,
      undefined,
      options.login,
    );
    if (response.status !== 200) throw loginFault(response, title);
    token = parseAnswer(loginAnswer, response, title).accessToken;
    options.hide?.("INFISICAL_ACCESS_TOKEN", token);
  };

  /** A token may expire between login and last read; that is not a refusal, and worth one more login. */
  const read = async (
    path: string,
    query: Record<string, string>,
    signal: AbortSignal,
  ): Promise<HttpResponse> => {
    const used = token;
    const response = await send("GET", path, signal, query);
    if (!isExpired(response)) return response;
    if (used === token) relogin ??= login(signal);
    await relogin;
    return send("GET", path, signal, query);
  };

  /** Instances from before late 2025 have version 3 only, which names the project otherwise. */
  const readSecrets = async (
    name: string,
    query: Record<string, string>,
    signal: AbortSignal,
  ): Promise<HttpResponse> => {
    if (!isLegacy) {
      const response = await read(`/api/v4/secrets${name}`, { projectId: project.id, ...query }, signal);
      if (!isUnknownRoute(response)) return response;
      isLegacy = true;
    }
    return read(`/api/v3/secrets/raw${name}`, { workspaceId: project.id, ...query }, signal);
  };

  // Which booleans default to true has changed between versions, and so has the spelling of one: all are sent.
  const queryFor = (path: string) => ({
    environment: project.environment,
    secretPath: path,
    viewSecretValue: "true",
    expandSecretReferences: "true",
    includeImports: "true",
    include_imports: "true",
  });

  return {
    login,
    requests: () => requests,
    async listFolder(path, signal) {
      const started = performance.now();
      const query = { ...queryFor(path), recursive: "false", includePersonalOverrides: "false" };
      const response = await readSecrets("", query, signal);
      if (response.status === 404)
        return { kind: "missing", message: `no folder ${path} in environment ${project.environment}` };
      const fault = readFault(response, path, title);
      return (
        fault ?? {
          ...collect(parseAnswer(listAnswer, response, title)),
          ms: Math.round(performance.now() - started),
        }
      );
    },
    async getVersion(path, name, version, signal) {
      const started = performance.now();
      const response = await readSecrets(
        `/${encodeURIComponent(name)}`,
        { ...queryFor(path), version, type: "shared" },
        signal,
      );
      if (response.status === 404)
        return { kind: "missing", message: `no version ${version} of '${name}' in folder ${path}` };
      const fault = readFault(response, path, title);
      if (fault) return fault;
      const found = parseAnswer(getAnswer, response, title).secret;
      return {
        secrets: new Map([[name, toSecret(found)]]),
        collisions: [],
        ms: Math.round(performance.now() - started),
      };
    },
  };
}
