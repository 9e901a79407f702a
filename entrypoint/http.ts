/** Ground floor: one outbound request, with a deadline, retries, a size limit, and errors without bodies. */
import { type ErrorCode, errorName, SallyportError } from "./errors.ts";
import { type RetryOptions, retry, TransientError } from "./retry.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface HttpOptions extends RetryOptions {
  /** How long one try may take, in milliseconds. */
  readonly attemptTimeoutMs?: number;
}

export const ATTEMPT_TIMEOUT_MS = 10_000;
const LARGEST_BODY_BYTES = 16 * 1024 * 1024;

/**
 * Sends the request; network faults, 408, 429 and 5xx are tried again until the signal ends it. Redirects are not followed.
 * @returns any other answer, whatever its status
 * @throws {SallyportError} MANAGER_UNREACHABLE after the deadline, or at once for a certificate that can't be trusted
 */
export function request(message: HttpRequest, options: HttpOptions): Promise<HttpResponse> {
  return retry(async () => {
    const response = await exchange(message, options).catch((error) => {
      throw options.signal.aborted ? options.signal.reason : networkFault(error, options.target);
    });
    const { status } = response;
    if (status !== 408 && status !== 429 && status < 500) return response;
    const reason = status === 429 ? "throttled (HTTP 429)" : `HTTP ${status}`;
    throw new TransientError(reason, { retryAfterMs: retryAfterMs(response.headers["retry-after"]) });
  }, options);
}

async function exchange(message: HttpRequest, options: HttpOptions): Promise<HttpResponse> {
  const { request } =
    message.url.protocol === "https:" ? await import("node:https") : await import("node:http");
  const timeout = AbortSignal.timeout(options.attemptTimeoutMs ?? ATTEMPT_TIMEOUT_MS);
  const signal = AbortSignal.any([options.signal, timeout]);
  return new Promise((resolve, reject) => {
    const outgoing = request(
      message.url,
      { method: message.method, headers: message.headers, signal },
      async (incoming) => {
        try {
          const chunks: Buffer[] = [];
          let bytes = 0;
          for await (const chunk of incoming) {
            bytes += chunk.length;
            if (bytes > LARGEST_BODY_BYTES) throw new TransientError("an answer of over 16 MiB");
            chunks.push(chunk);
          }
          const body = Buffer.concat(chunks).toString("utf8");
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body });
        } catch (error) {
          reject(timeout.aborted ? timeout.reason : error);
        }
      },
    );
    outgoing.on("error", (error) => reject(timeout.aborted ? timeout.reason : error));
    outgoing.end(message.body);
  });
}

const CERTIFICATE_FAULT = /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL/;

/** What a fault below HTTP means: it may pass, but a certificate that can't be trusted will not. */
export function networkFault(error: unknown, target: string, code: ErrorCode = "MANAGER_UNREACHABLE"): Error {
  if (error instanceof TransientError) return error;
  const name = errorName(error);
  if (name === "TimeoutError") return new TransientError("no answer in time", { cause: error });
  if (!CERTIFICATE_FAULT.test(name)) return new TransientError(name, { cause: error });
  return new SallyportError(code, `${target} has a TLS certificate that can't be trusted (${name})`, {
    hint: "For a private certificate authority, mount its certificate and name the file in NODE_EXTRA_CA_CERTS.",
    cause: error,
  });
}

/** `Retry-After` is either seconds or a date. */
function retryAfterMs(header: string | string[] | undefined): number {
  if (typeof header !== "string") return 0;
  const seconds = Number(header);
  const ms = Number.isNaN(seconds) ? Date.parse(header) - Date.now() : seconds * 1000;
  return Number.isFinite(ms) ? Math.max(ms, 0) : 0;
}
