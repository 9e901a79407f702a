/** Who may ask over TCP for what is not open to all. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

type Refusal = "FORWARDED_REFUSED" | "TOKEN_REFUSED";

/** @returns why not, or `undefined` when the caller may */
export function authorize(headers: IncomingHttpHeaders, token: string | undefined): Refusal | undefined {
  // A proxy that passes such a request on was not meant to reach this port at all.
  if (headers["x-forwarded-for"] !== undefined || headers.forwarded !== undefined) return "FORWARDED_REFUSED";
  const given = /^Bearer (.+)$/i.exec(headers.authorization ?? "")?.[1];
  return token !== undefined && given !== undefined && isSame(given, token) ? undefined : "TOKEN_REFUSED";
}

/** Compares digests: they have one length, so the time taken tells neither the token's length nor how much of it was right. */
function isSame(given: string, token: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
