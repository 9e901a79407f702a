/** Tells AWS failures apart by the vendor's code. The HTTP status can't: AccessDenied and throttling are both 400. */
import { errorName, SallyportError } from "../../errors.ts";
import { networkFault } from "../../http.ts";
import { TransientError } from "../../retry.ts";
import type { RefProblem } from "../secret-provider.ts";

const THROTTLED =
  /^(Throttling|ThrottlingException|ThrottledException|TooManyRequestsException|RequestLimitExceeded|SlowDown|RequestThrottled(Exception)?)$/;
const IDENTITY =
  /^(UnrecognizedClient|InvalidClientTokenId|InvalidSignature|SignatureDoesNotMatch|Expired(Identity)?Token|IncompleteSignature|MissingAuthenticationToken|InvalidIdentityToken|NotAuthorized|OptInRequired|IDPRejectedClaim)/;
const PASSING =
  /^(InternalServiceError|InternalServerError|InternalFailure|InternalError|ServiceUnavailable|IDPCommunicationError)/;
/** Faults below HTTP; the SDK calls our own per-try timeout an AbortError. */
const NETWORK =
  /^(TimeoutError|AbortError|ECONN|ENOTFOUND|ETIMEDOUT|EPIPE|EPROTO|EHOST|ENET|EAI_)|CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL/;

export function isThrottled(error: unknown): boolean {
  return THROTTLED.test(errorName(error)) || statusOf(error) === 429;
}

export function isIdentityFault(error: unknown): boolean {
  return IDENTITY.test(errorName(error));
}

export function isNetworkFault(error: unknown): boolean {
  return NETWORK.test(errorName(error));
}

export function isTransientFault(error: unknown): boolean {
  const name = errorName(error);
  return isThrottled(error) || PASSING.test(name) || NETWORK.test(name) || statusOf(error) >= 500;
}

/** What a call's failure means for all of the fetch; for one secret's failure see `secretFault`. */
export function callFault(error: unknown, title: string): Error {
  const code = errorName(error);
  if (isThrottled(error)) return new TransientError(`throttled (${code})`, { cause: error });
  if (code === "AbortError") return new TransientError("no answer in time", { cause: error });
  if (NETWORK.test(code)) return networkFault(error, title);
  if (isTransientFault(error)) return new TransientError(code, { cause: error });
  // The SDK has set its clock by the answer; the next try is signed with the right time.
  if (metadataOf(error)?.clockSkewCorrected)
    return new TransientError("clock skew, now corrected", { cause: error });
  if (isIdentityFault(error)) {
    return new SallyportError("IDENTITY_REFUSED", `${title} refused the credentials (${code})`, {
      hint: "Check that the role still exists, and this machine's clock.",
      cause: error,
    });
  }
  return new SallyportError(
    "MANAGER_ANSWER_INVALID",
    `${title} answered in a way its API does not know (${code})`,
    {
      hint: "Check AWS_ENDPOINT_URL and any proxy in between: is that really Secrets Manager?",
      cause: error,
    },
  );
}

interface SecretVersion {
  readonly id: string;
  readonly stage: string;
  readonly version: string | undefined;
}

/** What the vendor's code means for one secret; `undefined` for codes that are not about the secret. */
export function secretFault(
  code: string,
  { id: name, stage, version }: SecretVersion,
): RefProblem | undefined {
  const pin = version ? ` with version ${version}` : stage === "AWSCURRENT" ? "" : ` with stage ${stage}`;
  const which = `${name}${pin}`;
  switch (code) {
    case "ResourceNotFoundException":
      return { kind: "missing", message: `no secret ${which}` };
    case "AccessDeniedException":
      return {
        kind: "denied",
        message: `the role may not read ${name} (secretsmanager:GetSecretValue, kms:Decrypt)`,
      };
    case "DecryptionFailure":
      return { kind: "denied", message: `${name} can't be decrypted: the role needs kms:Decrypt on its key` };
    case "InvalidRequestException":
      return { kind: "missing", message: `${name} is scheduled for deletion or has no value yet` };
    case "InvalidParameterException":
    case "ValidationException":
      return { kind: "invalid", message: `'${which}' is not a name that Secrets Manager takes` };
    default:
      return undefined;
  }
}

function metadataOf(error: unknown): { httpStatusCode?: number; clockSkewCorrected?: boolean } | undefined {
  return (error as { $metadata?: object } | undefined)?.$metadata;
}

function statusOf(error: unknown): number {
  return metadataOf(error)?.httpStatusCode ?? 0;
}
