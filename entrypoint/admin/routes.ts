/** The routes of the admin server: what each answers, and who may ask. */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { CODES, type ErrorCode } from "../errors.ts";
import type { Asker } from "../refresh.ts";
import { authorize } from "./authorize.ts";

export interface Answer {
  readonly status: number;
  readonly body: object;
}

/** What the routes show, as functions of the spine's. */
export interface AdminSources {
  /** `live`: is the boot making progress? Otherwise: is the app ready? */
  health(live: boolean): Promise<Answer>;
  secretsHealth(): Answer;
  secretsStatus(): Promise<Answer>;
  refresh(by: Asker): Promise<Answer>;
  /** The bearer token for TCP, as soon as it is known. */
  token(): string | undefined;
}

interface Route {
  readonly method: "GET" | "POST";
  /** Over TCP, without a token. */
  readonly open: boolean;
  answer(sources: AdminSources, asked: Asked): Answer | Promise<Answer>;
}

interface Asked {
  readonly query: URLSearchParams;
  readonly by: Asker;
}

const ROUTES: Readonly<Record<string, Route>> = {
  "/health": { method: "GET", open: true, answer: (sources, { query }) => sources.health(query.has("live")) },
  "/secrets/health": { method: "GET", open: true, answer: (sources) => sources.secretsHealth() },
  "/secrets/status": { method: "GET", open: false, answer: (sources) => sources.secretsStatus() },
  "/secrets/refresh": { method: "POST", open: false, answer: (sources, { by }) => sources.refresh(by) },
};

/** @param trusted for the Unix socket: whoever can open it may do everything */
export function createHandler({ trusted, ...sources }: AdminSources & { trusted: boolean }): RequestListener {
  return async (request, response) => {
    try {
      send(response, await answerTo(request, sources, trusted), request.method === "HEAD");
    } catch {
      send(response, failure("INTERNAL", 500), false);
    }
  };
}

async function answerTo(request: IncomingMessage, sources: AdminSources, trusted: boolean): Promise<Answer> {
  request.resume();
  const [path = "", query = ""] = (request.url ?? "").split("?", 2);
  const route = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined;
  if (!trusted && !route?.open) {
    const refused = authorize(request.headers, sources.token());
    if (refused) return failure(refused);
  }
  if (!route) return failure("ROUTE_UNKNOWN");
  const method = request.method === "HEAD" ? "GET" : request.method;
  if (method !== route.method) return failure("METHOD_REFUSED");
  return route.answer(sources, { query: new URLSearchParams(query), by: trusted ? "socket" : "tcp" });
}

function failure(code: ErrorCode, status?: number): Answer {
  const entry = CODES[code];
  const body = { error: { code, message: entry.meaning, problems: [] } };
  return { status: status ?? ("status" in entry ? entry.status : 500), body };
}

/** How long an answer may wait to be taken. */
const LISTEN_MS = 5_000;

function send(response: ServerResponse, { status, body }: Answer, headOnly: boolean): void {
  const text = `${JSON.stringify(body)}\n`;
  // Whoever asks and does not listen must not keep the connection.
  response.setTimeout(LISTEN_MS);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
  });
  response.end(headOnly ? undefined : text);
}
